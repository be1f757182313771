"""Codes of a few bits taken out of the words that they are packed into."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.quantized.scheme import elements
from lineage.types import AnyArray, TensorView

Codes = NDArray[np.uint8]
FP4 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)  # e2m1: 0 to 6, then -0 to -6

E8M0_BIAS = 127


def powers_of_two(codes: Codes, exponents: AnyArray) -> NDArray[np.float32]:
    """Numbers e2m1 times the power of two that an e8m0 byte stands for."""
    values: NDArray[np.float32] = np.ldexp(FP4[codes], exponents.astype(np.int32) - E8M0_BIAS)
    return values


def lanes(words: AnyArray, bits: int) -> Codes:
    """Unpack 32-bit words (..., n) into (..., n * (32 // bits)) codes, lowest bits first, each within its word."""
    shifts = np.arange(32 // bits, dtype=np.uint32) * np.uint32(bits)
    codes = (words.view(np.uint32)[..., None] >> shifts) & np.uint32((1 << bits) - 1)
    return codes.astype(np.uint8).reshape(*words.shape[:-1], words.shape[-1] * (32 // bits))


def stream(words: AnyArray, bits: int) -> Codes:
    """Unpack 32-bit words (..., n) into (..., n * 32 // bits) codes, lowest bits first, across word borders.

    n * 32 must be a multiple of `bits`.
    """
    if 32 % bits == 0:
        return lanes(words, bits)
    raw = np.ascontiguousarray(words).astype("<u4", copy=False).view(np.uint8)
    ones = np.unpackbits(raw, axis=-1, bitorder="little").reshape(*words.shape[:-1], words.shape[-1] * 32 // bits, bits)
    codes: Codes = np.packbits(ones, axis=-1, bitorder="little")[..., 0]
    return codes


def nibbles(raw: AnyArray, *, high_first: bool = False) -> Codes:
    """Unpack bytes (..., n) into (..., 2 n) codes of 4 bits."""
    halves = (raw >> 4, raw & 0x0F) if high_first else (raw & 0x0F, raw >> 4)
    return np.stack(halves, axis=-1).reshape(*raw.shape[:-1], 2 * raw.shape[-1])


def planes(packed: TensorView, bits: int, start: int, stop: int, *, high_first: bool) -> Codes:
    """Codes [start, stop) of a grid whose rows lie in planes: the first rows in the same bits of all words, and so on.

    A word holds as many codes of `bits` as fit; the first plane is its lowest bits, or with `high_first` the highest.
    """
    length, word = math.prod(packed.shape), np.dtype(f"u{packed.dtype.itemsize}")
    count = 8 * word.itemsize // bits
    found = np.empty(stop - start, np.uint8)
    for plane in range(start // length, -(-stop // length)):
        first, last = max(start, plane * length), min(stop, (plane + 1) * length)
        words = elements(packed, first - plane * length, last - plane * length).view(word)
        shift = word.type(bits * (count - 1 - plane if high_first else plane))
        found[first - start : last - start] = (words >> shift) & word.type((1 << bits) - 1)
    return found
