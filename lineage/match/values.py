"""The second exact statistic, for networks with few units: how many sampled values are the same number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.types import TensorSketch

TOLERANCE = 1e-4  # of the tensor's standard deviation: light training moves values more, copying does not
MIN_VALUES = 16
MIN_DISTINCT = 0.5  # clipped, integer-like and quantised tensors agree by chance


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many sampled values of two tensors are equal, of how many, and how many chance would give."""

    agreeing: int
    compared: int
    expected: float


def common_values(
    a: TensorSketch, b: TensorSketch, transposed: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sampled values of both tensors at the positions that both kept, two float32 matrices of one shape."""
    b_values, b_grid = (b.values.T, b.grid[::-1]) if transposed else (b.values, b.grid)
    (rows_a, rows_b), (cols_a, cols_b) = (_common(x, y) for x, y in zip(a.grid, b_grid, strict=True))
    return a.values[np.ix_(rows_a, cols_a)], b_values[np.ix_(rows_b, cols_b)]


def agreement(a: NDArray[np.float32], b: NDArray[np.float32], distinct: float) -> Agreement | None:
    """Count agreements within 1e-4 of a standard deviation, and what unrelated positions of the same values give.

    The chance rate is that of all pairs at different positions: the null of relabelling positions, taken
    from the two samples themselves. Zeros are left out. `distinct` is the smaller share of distinct values of the
    two tensors; None below half, or with fewer than 16 values.
    """
    kept = (a != 0) & (b != 0)
    x, y = a[kept].astype(np.float64), b[kept].astype(np.float64)
    if x.size < MIN_VALUES or distinct < MIN_DISTINCT:
        return None
    eps = TOLERANCE * min(float(x.std()), float(y.std()))
    if eps == 0.0:
        return None
    agreeing = int((np.abs(x - y) <= eps).sum())
    ordered = np.sort(y)
    everywhere = np.searchsorted(ordered, x + eps, "right") - np.searchsorted(ordered, x - eps, "left")
    elsewhere = int(everywhere.sum()) - agreeing
    # One more than was seen: a rate estimated as zero would claim certainty.
    rate = (elsewhere + 1) / (x.size * (x.size - 1))
    return Agreement(agreeing, int(x.size), rate * x.size)


def _common(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if a is b or np.array_equal(a, b):
        everything = np.arange(len(a))
        return everything, everything
    return np.intersect1d(a, b, assume_unique=True, return_indices=True)[1:]
