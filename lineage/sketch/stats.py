"""Statistics of a sampled band that distinguish quantized, pruned and cast weights from plain ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.types import Stats

GROUP = 32  # the shortest run of weights that common schemes give one scale
MOST_LEVELS = 512  # a lattice with more levels is not a quantisation, just a coarse float
_ROWS = 16
_GROUPS = 96
_WIDEST = 1 << 17  # values of a row that are sorted: what a file claims to be one row may fill the memory
_ON_LATTICE = 0.04  # of a step: dequantised floats round, plain ones land anywhere
_FEW = 64  # values that show of almost every plain row that it has more levels than a lattice


def band_stats(block: NDArray[np.float64], rows: NDArray[np.float32], grid_values: NDArray[np.float32]) -> Stats:
    """Moments and zero share of the sampled `block`, lattice of the sampled `rows`, distinctness of the grid."""
    return stack_stats(block.ravel("K")[None], rows[None], grid_values.reshape(1, -1))[0]


def stack_stats(
    blocks: NDArray[np.float64], rows: NDArray[np.float32], grid_values: NDArray[np.float32]
) -> list[Stats]:
    """The same of many tensors of one shape: (k, cells), (k, sampled rows, width) and (k, values kept)."""
    means = blocks.mean(axis=1)
    squares = np.square(blocks - means[:, None])
    variances = squares.mean(axis=1)
    fourths = np.square(squares).mean(axis=1).tolist()
    some = rows[:, :: _step(rows.shape[1], _ROWS), :_WIDEST]
    width = some.shape[2] // GROUP * GROUP
    groups = some[:, :, :width].reshape(len(some), -1, GROUP)
    figures = zip(
        means.tolist(),
        np.sqrt(variances).tolist(),
        [f / v**2 if v > 0 else 0.0 for f, v in zip(fourths, variances.tolist(), strict=True)],
        (blocks == 0).mean(axis=1).tolist(),
        _median_levels(some),
        _median_levels(groups[:, :: _step(groups.shape[1], _GROUPS)]),
        distinct_shares(grid_values),
        strict=True,
    )
    return [Stats(*figure) for figure in figures]


def _step(length: int, most: int) -> int:
    """The step that selects about `most` evenly spaced positions of `length`."""
    return max(1, length // most)


def distinct_shares(values: NDArray[np.float32]) -> list[float]:
    """Share of the non-zero values of each row of (k, n) that occur only once; 0 without any."""
    ordered = np.sort(values, axis=1)
    begins = np.ones((len(ordered), ordered.shape[1] + 1), bool)
    begins[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    some = ordered != 0
    once = np.count_nonzero(begins[:, 1:] & begins[:, :-1] & some, axis=1).tolist()
    return [one / of if of else 0.0 for one, of in zip(once, np.count_nonzero(some, axis=1).tolist(), strict=True)]


def _median_levels(rows: NDArray[np.float32]) -> list[int]:
    """Median number of lattice levels of the rows of each of (k, rows, width), from end to end; 0 for none."""
    tensors, each, width = rows.shape
    if each == 0 or width < GROUP:
        return [0] * tensors
    lines = rows.reshape(-1, width)
    may_be = np.flatnonzero(_may_be_lattices(lines[:, :_FEW])) if width > _FEW else np.arange(len(lines))
    levels = np.zeros(len(lines))
    if len(may_be):
        levels[may_be] = _levels(lines[may_be])
    ordered = np.sort(levels.reshape(tensors, each), axis=1)
    medians = (ordered[:, (each - 1) // 2] + ordered[:, each // 2]) / 2  # np.median loads numpy.ma, which takes 10 ms
    return [int(median) for median in medians.tolist()]


def _may_be_lattices(some: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether rows of which these are some values can be lattices: others make a span no shorter, a gap no wider."""
    _, span, smallest = _spread(some)
    return span < (MOST_LEVELS + 1) * smallest


def _levels(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The number of lattice levels of each row, from end to end; 0 for none.

    A row is on a lattice if values repeat and all lie near multiples of one step from the smallest.
    """
    points, span, smallest = _spread(rows)
    # The smallest gap carries the rounding of two values: the span, nearly a multiple of it, refines the step.
    steps = np.rint(span / smallest)
    fits = (points[:, 1:] == points[:, :-1]).any(axis=1) & (steps >= 2) & (steps < MOST_LEVELS)
    levels = np.zeros(len(points))
    if fits.any():
        places = (points[fits] - points[fits, :1]) * (steps[fits] / span[fits])[:, None]
        near = np.abs(places - np.rint(places)).max(axis=1) < _ON_LATTICE
        levels[np.flatnonzero(fits)[near]] = steps[fits][near] + 1
    return levels


def _spread(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rows sorted, as float64, with the span of each and the smallest gap that is not zero, infinite if all are."""
    points = np.sort(rows, axis=1).astype(np.float64)
    gaps = np.diff(points, axis=1)
    return points, points[:, -1] - points[:, 0], np.where(gaps > 0, gaps, np.inf).min(axis=1)
