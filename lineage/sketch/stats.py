"""Figures of a sampled band that tell quantised, pruned and cast weights from plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.types import Stats

GROUP = 32  # the shortest run of weights that common schemes give one scale
MOST_LEVELS = 512  # a lattice with more levels is no quantisation, just a coarse float
_ROWS = 16
_GROUPS = 96
_WIDEST = 1 << 17  # values of a row that are sorted: what a file claims to be one row may fill the memory
_ON_LATTICE = 0.04  # of a step: dequantised floats round, plain ones land anywhere


def band_stats(block: NDArray[np.float64], rows: NDArray[np.float32], grid_values: NDArray[np.float32]) -> Stats:
    """Moments and zero share of the sampled `block`, lattice of the sampled `rows`, distinctness of the grid."""
    mean = float(block.mean())
    square = np.square(block - mean)
    variance = float(square.mean())
    kurtosis = float(np.square(square).mean()) / variance**2 if variance > 0 else 0.0
    some = spread(rows, _ROWS)[:, :_WIDEST].astype(np.float64)
    width = some.shape[1] // GROUP * GROUP
    return Stats(
        mean=mean,
        std=float(np.sqrt(variance)),
        kurtosis=kurtosis,
        zeros=float(np.mean(block == 0)),
        levels_row=_median_levels(some),
        levels_group=_median_levels(spread(some[:, :width].reshape(-1, GROUP), _GROUPS)),
        distinct=distinct_share(grid_values),
    )


def spread(rows: NDArray[Any], most: int) -> NDArray[Any]:
    """At most about `most` rows at even distances."""
    return rows[:: max(1, len(rows) // most)]


def distinct_share(values: NDArray[np.float32]) -> float:
    """Share of the values, zeros aside, that occur only once; 0 without any."""
    ordered = np.sort(values[values != 0])
    if not ordered.size:
        return 0.0
    begins = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    return float(np.count_nonzero(begins[1:] & begins[:-1]) / ordered.size)


def _median_levels(rows: NDArray[np.float64]) -> int:
    """Median, over rows, of the number of lattice levels between the smallest and largest value; 0 for none.

    A row is on a lattice if values repeat and all lie near multiples of one step from the smallest.
    """
    if rows.shape[0] == 0 or rows.shape[1] < GROUP:
        return 0
    points = np.sort(rows, axis=1)
    gaps = np.diff(points, axis=1)
    span = points[:, -1] - points[:, 0]
    smallest = np.where(gaps > 0, gaps, np.inf).min(axis=1)
    # The smallest gap carries the rounding of two values: the span, nearly a multiple of it, refines the step.
    steps = np.rint(span / smallest)
    fits = (gaps == 0).any(axis=1) & (steps >= 2) & (steps < MOST_LEVELS)
    if not fits.any():
        return 0
    places = (points[fits] - points[fits, :1]) * (steps[fits] / span[fits])[:, None]
    near = np.abs(places - np.rint(places)).max(axis=1) < _ON_LATTICE
    levels = np.zeros(len(rows))
    levels[np.flatnonzero(fits)[near]] = steps[fits][near] + 1
    return int(np.median(levels))
