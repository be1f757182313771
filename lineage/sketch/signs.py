"""Random signs that depend only on a position: the same for every prefix of an axis and on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), elementwise, modulo 2**64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sign_bits(positions: NDArray[np.int64], seed: int, dims: int) -> NDArray[np.bool_]:
    """Independent fair bits, shape (len(positions), dims), dims at most 64; row i depends on positions[i] only."""
    start = mix64(np.array([seed], dtype=np.uint64) * _GOLDEN)[0]
    words = mix64((positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN ^ start)
    bits: NDArray[np.uint64] = (words[:, None] >> np.arange(dims, dtype=np.uint64)) & np.uint64(1)
    return bits.astype(np.bool_)


def signs(positions: NDArray[np.int64], seed: int, dims: int) -> NDArray[np.float64]:
    """Independent fair signs, +1 or -1, float64 of shape (len(positions), dims)."""
    return np.where(sign_bits(positions, seed, dims), 1.0, -1.0)


@lru_cache(maxsize=16)
def prefix_signs(length: int, seed: int, dims: int) -> NDArray[np.float32]:
    """Signs of positions 0..length-1 as float32, for the pass that reads every row; kept for reuse."""
    return signs(np.arange(length, dtype=np.int64), seed, dims).astype(np.float32)
