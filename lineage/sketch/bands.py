"""Which rows and columns of a tensor are sampled: a set that only grows when the tensor does."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.signs import mix64

DENSE = 64  # every position below this is taken
LONG_RUN, SHORT_RUN = 32, 16  # positions taken of an octave: neighbouring rows are one read
LONG = 512  # octaves from here on give the short run


@lru_cache(maxsize=1024)
def sampled(length: int) -> NDArray[np.int64]:
    """Sampled positions of an axis, ascending int64: all below 64, then one run in every octave.

    An octave [2**j, 2**(j+1)) gives 32 positions up to 512 and 16 above, in its first half (so that an axis of 3 * 2**k
    reaches them) at a place fixed by a hash of the octave. `sampled(n)` is `sampled(m)` cut at n for every m > n.
    """
    chosen = [np.arange(min(length, DENSE))]
    octave = DENSE
    while octave < length:
        run = LONG_RUN if octave < LONG else SHORT_RUN
        draw = int(mix64(np.array([octave * 2654435761 % (1 << 64)], np.uint64))[0])
        start = octave + run * (draw % (octave // 2 // run))
        chosen.append(np.arange(start, start + run))
        octave *= 2
    positions = np.concatenate(chosen).astype(np.int64)
    positions = positions[positions < length]
    positions.setflags(write=False)
    return positions


@lru_cache(maxsize=256)
def sampling_weights(length: int) -> NDArray[np.float64]:
    """How many positions each of `sampled(length)` stands for, float64; they add up to `length`.

    Early positions are sampled densely (and early tokens are often unused ones): a mean over the axis needs weights.
    """
    positions = sampled(length)
    octaves = np.where(positions < DENSE, 0, np.frexp(positions.astype(np.float64))[1])
    weights = np.ones(len(positions))
    for octave in sorted({*octaves[octaves > 0].tolist()}):
        inside = octaves == octave
        start = 1 << (octave - 1)
        weights[inside] = (min(length, 2 * start) - start) / inside.sum()
    # No sampled position represents the last octave if the axis ends before its run.
    weights *= length / weights.sum() if length else 1.0
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=256)
def grid(length: int, dense: int, an_octave: int) -> NDArray[np.int64]:
    """A thinner prefix-stable subset of `sampled(length)`: all below `dense`, then `an_octave` an octave.

    `dense` is a power of two, at most 64. Ascending int64.
    """
    positions = sampled(length)
    octaves = np.frexp(positions.astype(np.float64))[1]
    rank = np.arange(len(positions)) - np.searchsorted(octaves, octaves)
    kept = positions[(positions < dense) | (rank < an_octave)]
    kept.setflags(write=False)
    return kept


def runs(positions: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ascending positions as half-open runs of neighbours: one read each."""
    if len(positions) == 0:
        return []
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(positions, breaks)]


@lru_cache(maxsize=4096)
def grids(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the kept values: about 26 x 26 of a matrix, thinner in channels where there is a kernel."""
    rows, columns = _grids(shape)
    columns.setflags(write=False)
    return rows, columns


def _grids(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if len(shape) == 1:
        return sampled(shape[0]), np.zeros(1, np.int64)
    kernel = math.prod(shape[2:])
    if kernel == 1:
        return grid(shape[0], 16, 2), grid(shape[1], 16, 2)
    places = grid(kernel, 8, 1)[:9]
    cols = (grid(shape[1], 8, 1)[:, None] * kernel + places[None, :]).reshape(-1)
    return grid(shape[0], 8, 1), cols
