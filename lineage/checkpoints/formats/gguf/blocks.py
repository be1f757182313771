"""ggml's types: how many values a block holds in how many bytes, and what they are.

Source: `ggml_type` in https://github.com/ggml-org/ggml/blob/master/include/ggml.h and `GGML_QUANT_SIZES` of the
gguf package, whose NumPy dequantisers read every block type but the two simplest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.io.views import Place, dense
from lineage.errors import MissingExtra, UnsupportedDtype
from lineage.types import AnyArray, FileSpan, TensorView

Bytes = NDArray[np.uint8]
CODES = np.dtype(np.uint8)  # of a place whose values have to be computed


@dataclass(frozen=True, slots=True)
class BlockType:
    """A type of values: `block` of them take `nbytes` bytes; `dtype` is None where they have to be computed."""

    name: str
    block: int
    nbytes: int
    dtype: np.dtype[Any] | None = None


def _plain(name: str, scalar: Any) -> BlockType:
    dtype: np.dtype[Any] = np.dtype(scalar)
    return BlockType(name, 1, dtype.itemsize, dtype)


TYPES: dict[int, BlockType] = {
    0: _plain("F32", "<f4"),
    1: _plain("F16", "<f2"),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    10: BlockType("Q2_K", 256, 84),
    11: BlockType("Q3_K", 256, 110),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    16: BlockType("IQ2_XXS", 256, 66),
    17: BlockType("IQ2_XS", 256, 74),
    18: BlockType("IQ3_XXS", 256, 98),
    19: BlockType("IQ1_S", 256, 50),
    20: BlockType("IQ4_NL", 32, 18),
    21: BlockType("IQ3_S", 256, 110),
    22: BlockType("IQ2_S", 256, 82),
    23: BlockType("IQ4_XS", 256, 136),
    24: _plain("I8", np.int8),
    25: _plain("I16", "<i2"),
    26: _plain("I32", "<i4"),
    27: _plain("I64", "<i8"),
    28: _plain("F64", "<f8"),
    29: BlockType("IQ1_M", 256, 56),
    30: _plain("BF16", ml_dtypes.bfloat16),
    34: BlockType("TQ1_0", 256, 54),
    35: BlockType("TQ2_0", 256, 66),
    39: BlockType("MXFP4", 32, 17),
    40: BlockType("NVFP4", 64, 36),
    41: BlockType("Q1_0", 128, 18),
}


# Positions of two-byte numbers in a block, whose bytes are swapped in a big-endian file. No others are known.
# Source: `byteswap_tensors` of the gguf package's gguf_convert_endian.py.
_PAIRS: dict[str, tuple[int, ...]] = {
    "Q4_0": (0,), "Q8_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,), "MXFP4": (), "NVFP4": (),
}  # fmt: skip


def view(name: str, place: Place, type_: BlockType, storage: str, *, big_endian: bool = False) -> TensorView:
    """View a tensor stored as `type_`: as it is, or dequantised to float32 a band of rows at a time.

    Blocks run along the last axis, so that a band of rows is one read. Raises UnsupportedDtype for blocks of a
    `big_endian` file whose numbers are not known.
    """
    if type_.dtype is not None:
        return dense(name, place, storage)
    if big_endian and type_.name not in _PAIRS:
        raise UnsupportedDtype(
            place.source.path, f"holds big-endian {type_.name} blocks, which are not read: convert it to little-endian"
        )
    pairs = _PAIRS[type_.name] if big_endian else ()
    row_bytes = place.row_elements // type_.block * type_.nbytes

    def rows(start: int, stop: int) -> AnyArray:
        shape = place.band_shape(start, stop)
        if len(shape) == 1:  # one row of blocks, of which the band may be a part
            first, last = start // type_.block, -(-stop // type_.block)
            values = _read(place, type_, pairs, first * type_.nbytes, last * type_.nbytes)
            return values[start - first * type_.block : stop - first * type_.block]
        return _read(place, type_, pairs, start * row_bytes, stop * row_bytes).reshape(shape)

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        first, last = start * row_bytes, stop * row_bytes
        if len(place.shape) == 1:
            first, last = start // type_.block * type_.nbytes, -(-stop // type_.block) * type_.nbytes
        return place.source.spans(place.start + first, place.start + last)

    return TensorView(name, place.shape, np.dtype(np.float32), rows, storage, f"gguf {type_.name.lower()}", spans)


def dequantize(path: Path, type_: BlockType, blocks: Bytes) -> NDArray[np.float32]:
    """Compute the values of `blocks` (n, type_.nbytes) uint8: (n, type_.block) float32.

    Raises MissingExtra without the gguf package where it is needed, UnsupportedDtype where it is too old.
    """
    own = _OWN.get(type_.name)
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged bytes; the sketch refuses what is not finite
        return own(blocks) if own else _by_package(path, type_, blocks)


def _read(place: Place, type_: BlockType, pairs: tuple[int, ...], start: int, stop: int) -> NDArray[np.float32]:
    raw = np.empty(stop - start, np.uint8)
    place.source.fill(place.start + start, raw.data)
    blocks = raw.reshape(-1, type_.nbytes)
    for at in pairs:
        blocks[:, at : at + 2] = blocks[:, at : at + 2][:, ::-1].copy()
    return dequantize(place.source.path, type_, blocks).reshape(-1)


def _by_package(path: Path, type_: BlockType, blocks: Bytes) -> NDArray[np.float32]:
    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError as error:
        raise MissingExtra(
            f"{path}: dequantising {type_.name} needs an optional part: pip install 'weight-lineage[gguf]'"
        ) from error
    try:
        values = quants.dequantize(blocks, GGMLQuantizationType[type_.name])
    except (KeyError, NotImplementedError) as error:
        raise UnsupportedDtype(
            path, f"holds {type_.name} blocks, which the installed gguf package does not know: upgrade it"
        ) from error
    return np.asarray(values, np.float32)


def _q8_0(blocks: Bytes) -> NDArray[np.float32]:
    """A float16 scale, then 32 int8: value = scale * q."""
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    return scale * blocks[:, 2:].view(np.int8)


def _q4_0(blocks: Bytes) -> NDArray[np.float32]:
    """A float16 scale, then 16 bytes: the low nibbles are values 0 to 15, the high ones 16 to 31, each less 8."""
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1)
    return scale * (nibbles.astype(np.int8) - 8)


_OWN = {"Q8_0": _q8_0, "Q4_0": _q4_0}
