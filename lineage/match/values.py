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
    if all(_is_same(x, y) for x, y in zip(a.grid, b_grid, strict=True)):
        return a.values, b_values
    (rows_a, rows_b), (cols_a, cols_b) = (
        np.intersect1d(x, y, assume_unique=True, return_indices=True)[1:] for x, y in zip(a.grid, b_grid, strict=True)
    )
    return a.values[np.ix_(rows_a, cols_a)], b_values[np.ix_(rows_b, cols_b)]


def agreement(a: NDArray[np.float32], b: NDArray[np.float32], distinct: float) -> Agreement | None:
    """Count agreements within 1e-4 of a standard deviation, and what unrelated positions of the same values give.

    `a` and `b` are (rows, columns). The chance rate is the null of relabelling positions, taken from the two samples:
    pairs of values at different places of one row, of one column, or anywhere, whichever agree most often (the rows
    of unused tokens are small in every model, so only values of the same row are exchangeable with each other). Zeros
    are left out. `distinct` is the smaller share of distinct values of the two tensors; None below half, or
    with fewer than 16 values.
    """
    live = (a != 0) & (b != 0)
    size = int(live.sum())
    if size < MIN_VALUES or distinct < MIN_DISTINCT:
        return None
    x, y = np.where(live, a, np.nan).astype(np.float64), np.where(live, b, np.nan).astype(np.float64)
    eps = TOLERANCE * min(float(x[live].std()), float(y[live].std()))
    if eps == 0.0:
        return None
    agreeing = int((np.abs(x - y) <= eps).sum())
    elsewhere = _within_rows(x, y, eps, agreeing), _within_rows(x.T, y.T, eps, agreeing)
    return Agreement(agreeing, size, max(_anywhere(x[live], y[live], eps, agreeing), *elsewhere) * size)


def _anywhere(x: NDArray[np.float64], y: NDArray[np.float64], eps: float, agreeing: int) -> float:
    """Share of agreeing pairs among all pairs at different places; one more than was seen.

    A rate estimated as zero would claim certainty.
    """
    sought, ordered = np.sort(x), np.sort(y)
    near = np.searchsorted(ordered, sought + eps, "right") - np.searchsorted(ordered, sought - eps, "left")
    return (int(near.sum()) - agreeing + 1) / (x.size * (x.size - 1))


def _within_rows(x: NDArray[np.float64], y: NDArray[np.float64], eps: float, agreeing: int) -> float:
    """The same share among pairs at different places of one row; 0 where rows hold one value each.

    Values left out are NaN, in `x` and `y` at the same places.
    """
    near = int((np.abs(x[:, :, None] - y[:, None, :]) <= eps).sum()) - agreeing
    held = np.isfinite(x).sum(axis=1)
    tried = int((held * (held - 1)).sum())
    return (near + 1) / tried if tried else 0.0


def _is_same(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    return a is b or np.array_equal(a, b)
