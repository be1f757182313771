"""Figures of a sampled band that tell quantised, pruned and cast weights from plain ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.types import Stats

GROUP = 32  # the shortest run of weights that common schemes give one scale
MOST_LEVELS = 512  # a lattice with more levels is no quantisation, just a coarse float
_ROWS = 48
_ON_LATTICE = 0.04  # of a step: dequantised floats round, plain ones land anywhere


def band_stats(band: NDArray[np.float64], grid_values: NDArray[np.float32]) -> Stats:
    """Moments, zero share, lattice and distinctness of `band` (sampled rows, rest of the shape)."""
    mean = float(band.mean())
    centred = band - mean
    variance = float(np.mean(centred**2))
    kurtosis = float(np.mean(centred**4)) / variance**2 if variance > 0 else 0.0
    rows = band[:: max(1, len(band) // _ROWS)]
    width = band.shape[1] // GROUP * GROUP
    groups = rows[:, :width].reshape(-1, GROUP)
    return Stats(
        mean=mean,
        std=float(np.sqrt(variance)),
        kurtosis=kurtosis,
        zeros=float(np.mean(band == 0)),
        levels_row=_median_levels(rows),
        levels_group=_median_levels(groups[:: max(1, len(groups) // (4 * _ROWS))]),
        distinct=distinct_share(grid_values),
    )


def distinct_share(values: NDArray[np.float32]) -> float:
    """Share of the values, zeros aside, that occur only once; 0 without any."""
    nonzero = values[values != 0]
    counts = np.unique(nonzero, return_counts=True)[1]
    return float((counts == 1).sum() / nonzero.size) if nonzero.size else 0.0


def _median_levels(rows: NDArray[np.float64]) -> int:
    """Median, over rows, of the number of lattice levels between the smallest and largest value; 0 for none."""
    if rows.shape[0] == 0 or rows.shape[1] < GROUP:
        return 0
    return int(np.median([_levels(row) for row in rows]))


def _levels(row: NDArray[np.float64]) -> int:
    points = np.unique(row)
    if len(points) < 3 or len(points) == len(row):
        return 0
    gaps = np.diff(points)
    step = float(gaps.min())
    # The smallest gap carries the rounding of two values: refine the step on the span that it nearly divides.
    count = round((points[-1] - points[0]) / step)
    if not 2 <= count < MOST_LEVELS:
        return 0
    step = (points[-1] - points[0]) / count
    places = (points - points[0]) / step
    return count + 1 if float(np.abs(places - np.rint(places)).max()) < _ON_LATTICE else 0
