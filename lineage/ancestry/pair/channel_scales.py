"""Weights into which a batch norm was folded: each unit's weights are multiplied by a scale of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MIN_VALUES = 4  # of a unit: with fewer, a scale fits anything
_ROUNDING = 2.0**-10  # of half precision, relative to a unit's norm
_LAST_BITS = 2.0**-20  # relative error of computing a scale in another order, in single precision
_EXPLAINED = 0.05  # share of the difference that scales may leave unexplained; light training leaves nearly all of it


def scaled_by_unit(x: NDArray[np.float32], y: NDArray[np.float32]) -> bool:
    """Whether every row of `x`, or every column, is that of `y` times a positive factor; both (rows, columns).

    Folding multiplies the outputs of a layer by gain / sqrt(variance + epsilon), or the inputs of the next.
    """
    return _scaled_rows(x, y) or _scaled_rows(x.T, y.T)


def bent(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether x[i] is certainly not a multiple of y[i], each flattened: (k, ...) to (k,) bool."""
    wide, other = (one.reshape(len(one), -1).astype(np.float64) for one in (x, y))
    square, across, least = np.vecdot(wide, wide), np.vecdot(wide, other), np.vecdot(other, other)
    return np.asarray(square * least - across * across > (2 * _ROUNDING) ** 2 * square * least)


def _scaled_rows(x: NDArray[np.float32], y: NDArray[np.float32]) -> bool:
    if min(x.shape) < 1 or x.shape[1] < _MIN_VALUES or bent(x[:1], y[:1])[0]:
        return False
    wide, other = x.astype(np.float64), y.astype(np.float64)
    norms, squares = np.linalg.norm(wide, axis=1), (other * other).sum(axis=1)
    live = (norms > 0) & (squares > 0)
    if not live.any() or (norms > 0).sum() > live.sum():
        return False
    wide, other, norms = wide[live], other[live], norms[live]
    factors = (wide * other).sum(axis=1) / squares[live]
    left = np.linalg.norm(wide - factors[:, None] * other, axis=1)
    moved = float(np.linalg.norm(wide - other))
    explains = float(np.linalg.norm(left)) <= max(_EXPLAINED * moved, _LAST_BITS * float(np.linalg.norm(wide)))
    return bool(explains and (factors > 0).all() and (left <= _ROUNDING * norms).all())
