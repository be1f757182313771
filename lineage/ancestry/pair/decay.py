"""Rows that only weight decay moved."""

from __future__ import annotations

import numpy as np

from lineage.match.values import common_values
from lineage.types import TensorSketch

_MIN_ROWS = 8  # rows: one factor in fewer may be chance
_ALONG = 0.97  # cosine of a row's movement with the row: float32 rounding over many steps lowers it
_ALIKE = 0.2  # greatest deviation of a factor, as a share of the shrinkage
_MOST_DECAY = 0.1  # a larger shrinkage is a rescaling, not decay


def common_factor(a: TensorSketch, b: TensorSketch) -> float | None:
    """The common factor by which rows of `b` were scaled to give those of `a`, if only weight decay moved them.

    A row counts if nearly all of its movement is along the row itself, unlike movement by gradients. A quarter of the
    moved sampled rows, and at least eight, must count. None otherwise, without a common factor, or if decay could not
    give it.
    """
    x, y = (v.astype(np.float64) for v in common_values(a, b, transposed=False))
    square = (y * y).sum(axis=1)
    moved = (square > 0) & (x != y).any(axis=1)
    x, y, square = x[moved], y[moved], square[moved]
    along = ((x - y) * y).sum(axis=1) / square
    cosine = np.abs(along) * np.sqrt(square) / np.linalg.norm(x - y, axis=1)
    scaled = along[cosine > _ALONG]
    if len(scaled) < max(_MIN_ROWS, len(along) / 4):
        return None
    middle = float(np.median(scaled))
    alike = np.abs(scaled - middle).max() < _ALIKE * abs(middle)
    return 1.0 + middle if alike and abs(middle) < _MOST_DECAY else None
