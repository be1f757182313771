"""Linear sketches of the sampled block of a tensor: unit vectors of both axes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.bands import sampled
from lineage.sketch.family import SEED_PROJECTION, UNIT_DIMS
from lineage.sketch.signs import signs
from lineage.types import AnyArray, Units

_LARGEST = float(np.finfo(np.float32).max)
_KERNEL_STRIDE = 1 << 32  # keeps (channel, kernel position) pairs apart whatever the kernel's size


def block_columns(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Columns of the flattened rest of `shape` that enter the sketch: sampled channels x sampled kernel positions."""
    channels, kernel = _rest(shape)
    return (sampled(channels)[:, None] * kernel + sampled(kernel)[None, :]).reshape(-1)


def project_units(
    block: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors of both axes of a sampled block, float64 (sampled rows, 32) and (sampled channels, 32).

    `block` is (sampled rows, sampled channels * sampled kernel positions) of a tensor of `shape` (at least
    two axes), or a stack of such blocks, whose units are stacked alike. A unit is projected onto signs that
    depend on the position along the other axis only, so a transposed matrix gives the same two arrays the
    other way round, and a longer axis extends them.
    """
    channels, kernel = _rest(shape)
    rows, cols, places = sampled(shape[0]), sampled(channels), sampled(kernel)
    stack = block.shape[:-2]
    cube = block.reshape(*stack, len(rows), len(cols), len(places))
    of_rows = cube.reshape(*stack, len(rows), -1) @ _pair_signs(channels, kernel)
    of_cols = cube.swapaxes(-3, -2).reshape(*stack, len(cols), -1) @ _pair_signs(shape[0], kernel)
    return of_rows, of_cols


@lru_cache(maxsize=512)
def constant_unit(shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
    """What every unit of `axis` is projected to in a tensor of `shape` that is 1 everywhere, float64 (32,)."""
    channels, kernel = _rest(shape)
    across = channels if axis == 0 else shape[0]
    total: NDArray[np.float64] = _pair_signs(across, kernel).sum(axis=0)
    total.setflags(write=False)
    return total


def encode_units(units: NDArray[np.float64], index: NDArray[np.int64]) -> Units:
    """Round unit vectors to int8 with one float32 scale a unit (the largest magnitude is 127)."""
    codes, scale = coded(units)
    return Units(index=index, codes=codes, scale=scale)


def coded(units: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes and scales of unit vectors, int8 (..., n, 32) and float32 (..., n)."""
    peak = np.abs(units).max(axis=-1, initial=0.0)
    scale = narrowed(peak / 127.0)
    safe = np.where(scale > 0, scale, 1).astype(np.float64)
    codes = np.minimum(np.maximum(np.rint(units / safe[..., None]), -127), 127).astype(np.int8)
    return codes, scale


def decode_units(units: Units) -> NDArray[np.float32]:
    """The unit vectors that `encode_units` rounded, float32 (n, 32)."""
    return units.codes.astype(np.float32) * units.scale[:, None]


def narrowed(values: AnyArray) -> NDArray[np.float32]:
    """Finite values as float32; sums beyond its range (masks filled with its lowest number) stay at its ends."""
    return np.minimum(np.maximum(values, -_LARGEST), _LARGEST).astype(np.float32)


def _rest(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[1], math.prod(shape[2:])


def _pair_signs(length: int, kernel: int) -> NDArray[np.float64]:
    """Signs of the sampled positions of an axis, each with every sampled place of a kernel."""
    if kernel == 1:
        return _axis_signs(length, UNIT_DIMS)
    joint = sampled(length)[:, None] + sampled(kernel)[None, :] * _KERNEL_STRIDE
    return signs(joint.reshape(-1), SEED_PROJECTION, UNIT_DIMS)


@lru_cache(maxsize=128)
def _axis_signs(length: int, dims: int) -> NDArray[np.float64]:
    found = signs(sampled(length), SEED_PROJECTION, dims)
    found.setflags(write=False)
    return found
