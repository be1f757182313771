"""Weights into which a batch norm was folded: each unit's weights are multiplied by a scale of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.types import Float64Array

Values = NDArray[np.float32]

_MIN_VALUES = 4  # of a unit: with fewer, a scale fits anything
_ROUNDING = 2.0**-10  # of half precision, relative to a unit's norm
_LAST_BITS = 2.0**-20  # relative error of computing a scale in another order, in single precision
_EXPLAINED = 0.05  # share of the difference that scales may leave unexplained; light training leaves nearly all of it


def scaled_by_unit(x: Values, y: Values) -> bool:
    """Whether every row of `x`, or every column, is that of `y` times a factor of its own; both (rows, columns).

    Folding multiplies the outputs of a layer by gain / sqrt(variance + epsilon), or the inputs of the next.
    """
    return row_factors(x, y) is not None or row_factors(x.T, y.T) is not None


def row_factors(x: Values, y: Values) -> Float64Array | None:
    """The factors (rows,) that make rows of `y` those of `x`; None if no factors do, or most of them are negative.

    0 and infinite for a row that only one of the two has (all of these the same one), NaN where both are zero.
    """
    if min(x.shape) < 1 or x.shape[1] < _MIN_VALUES or bent(x[:1], y[:1])[0]:
        return None
    wide, other = x.astype(np.float64), y.astype(np.float64)
    squares, own = np.vecdot(other, other), np.vecdot(wide, wide)
    live = (squares > 0) & (own > 0)
    if not live.any() or (((own > 0) & ~live).any() and ((squares > 0) & ~live).any()):
        return None
    factors = np.full(len(x), np.nan)
    factors[own > 0], factors[squares > 0] = np.inf, 0.0
    wide, other = wide[live], other[live]
    factors[live] = own_factors = np.vecdot(wide, other) / squares[live]
    left = np.linalg.norm(wide - own_factors[:, None] * other, axis=1)
    moved = float(np.linalg.norm(wide - other))
    explains = float(np.linalg.norm(left)) <= max(_EXPLAINED * moved, _LAST_BITS * float(np.linalg.norm(wide)))
    scales = explains and bool((left <= _ROUNDING * np.sqrt(own[live])).all())
    return factors if scales and 2 * int((own_factors > 0).sum()) > len(own_factors) else None


def bent(x: Values, y: Values) -> NDArray[np.bool_]:
    """Whether x[i] is certainly not a multiple of y[i], each flattened: (k, ...) to (k,) bool."""
    wide, other = (one.reshape(len(one), -1).astype(np.float64) for one in (x, y))
    square, across, least = np.vecdot(wide, wide), np.vecdot(wide, other), np.vecdot(other, other)
    return np.asarray(square * least - across * across > (2 * _ROUNDING) ** 2 * square * least)
