"""Whether the residual of a sum is rounding, which shrinks with the values, or comes from replaced parents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.ratios import SINGLE, grain
from lineage.types import Float64Array

_SMALLEST = 0.1  # share of the values of each tensor that is tested: those with the smallest rounding errors
_MOST = 0.8  # greatest median residual, in largest errors: 0.3 to 0.6 for true sums, 1 to 6 with a copy as a parent
_IN_SINGLE = 8.0  # the same in single precision, where a sum of several terms is rounded at each step


def leaves_rounding(cohort: Cohort, child: int, parents: Sequence[int]) -> bool:
    """Whether a child (positions) is a sum of its parents, tensor by tensor, up to rounding of it and of the terms.

    Rounding errors shrink with the values. If a copy replaces a parent (with noise, rounded to levels or to a narrower
    type), its error does not shrink like the rounding of the child's own type. Weights are fitted for each tensor,
    which spherical interpolation needs.
    """
    points = cohort.points[[child, *parents]] / cohort.scales[cohort.tensors]
    rounding = grain(points[0, cohort.tensors == cohort.tensors[0]])
    ratios: list[Float64Array] = []
    for number in np.unique(cohort.tensors):
        own, *others = points[:, cohort.tensors == number]
        if all(np.array_equal(own, other) for other in others):
            continue
        terms = np.array(others)
        weights, *_ = np.linalg.lstsq(terms.T, own)
        squares = largest_error(own, rounding) ** 2
        squares = squares + sum(largest_error(term, rounding) ** 2 for term in weights[:, None] * terms)
        told = squares > 0.0
        ratio = np.abs(own - weights @ terms)[told] / np.sqrt(squares[told])
        ratios.append(ratio[squares[told] <= np.quantile(squares[told], _SMALLEST)] if told.any() else ratio)
    found = np.concatenate([np.zeros(0), *ratios])
    return not len(found) or float(np.median(found)) <= (_IN_SINGLE if rounding == SINGLE else _MOST)
