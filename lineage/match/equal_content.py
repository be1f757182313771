"""Whether two tensors hold the same values, if one was joined here and its digest is not comparable."""

from __future__ import annotations

import numpy as np

from lineage.match.permutation import unit_rows
from lineage.match.units import common_index
from lineage.match.values import MIN_DISTINCT, MIN_VALUES, common_values
from lineage.sketch.family import MIN_UNITS
from lineage.types import TensorSketch

_SUMMED = 4e-6  # relative: even power sums of the same values in another order, added in float32 runs part by part
_ROUNDED = 1e-2  # of a deviation: what the coding of a unit may differ by between machines


def hold_the_same(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether power sums, sampled values and units of rows are equal, as far as both have them.

    False if they have too little in common for a decision.
    """
    x, y = common_values(a, b, transposed=False)
    if min(a.stats.distinct, b.stats.distinct) < MIN_DISTINCT or not np.array_equal(x, y):
        return False
    if a.moments is not None and b.moments is not None:
        relative = np.abs(a.moments[1::2] / b.moments[1::2] - 1.0)
        if not (relative < _SUMMED).all():
            return False
    left, right = a.units[0], b.units[0]
    if left is None or right is None:
        return x.size >= MIN_VALUES
    index = common_index(left, right)
    if x.size < MIN_VALUES and len(index) < MIN_UNITS:
        return False
    return bool(np.allclose(unit_rows(left, index), unit_rows(right, index), rtol=0.0, atol=_ROUNDED * a.stats.std))
