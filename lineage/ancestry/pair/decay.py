"""Rows that nothing but weight decay moved."""

from __future__ import annotations

import numpy as np

from lineage.match.values import common_values
from lineage.types import TensorSketch

_MIN_ROWS = 8  # rows: one factor in fewer may be chance
_ALONG = 0.97  # cosine of a row's movement with the row: float32 rounding over many steps takes the rest
_ALIKE = 0.2  # how far factors may lie apart, as a share of the shrinkage
_MOST_DECAY = 0.1  # a larger factor is a rescaling, not decay


def common_factor(a: TensorSketch, b: TensorSketch) -> float | None:
    """The one factor by which a quarter (and eight) of the sampled rows of `b` were scaled to give those of `a`.

    A row counts if nearly all of its movement is along itself, which movement by gradients is not. None without
    enough such rows, one common factor, or a factor that decay could give.
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
