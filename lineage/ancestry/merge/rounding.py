"""Whether the residual of a sum is rounding of its result, or comes from replaced or unknown parents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.ratios import SINGLE, grain_of_first
from lineage.types import Float64Array

_SMALLEST = 0.1  # share of the values of each tensor that is tested: those with the smallest rounding errors
_MOST = 0.8  # greatest median residual, in largest errors: 0.3 to 0.6 for true sums, 1 to 6 with a copy as a parent
_IN_SINGLE = 8.0  # the same in single precision, where a sum of several terms is rounded at each step
WITHIN = 1.02  # residual, in largest errors, that one rounding and the error of the weights may leave
_ONCE = 0.98  # least share of values within it: 1 for every true sum, 1 - w/4 with a rounded term of weight w in it


def leaves_rounding(cohort: Cohort, child: int, parents: Sequence[int]) -> bool:
    """Whether a child (positions) is a sum of its parents, tensor by tensor, up to rounding of it and of the terms.

    Rounding errors shrink with the values. If a copy replaces a parent (with noise, rounded to levels or to a narrower
    type), its error does not shrink like the rounding of the child's own type. Weights are fitted for each tensor,
    which spherical interpolation needs.
    """
    points = cohort.points[[child, *parents]] / cohort.scales[cohort.tensors]
    rounding = grain_of_first(points[0], cohort.tensors)
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


def is_rounded_once(
    cohort: Cohort, child: int, parents: Sequence[int], groups: NDArray[np.int64] | None = None
) -> bool | None:
    """Whether a child (positions) is a sum of its parents that was rounded once, to its type.

    A parent that was itself computed from an unknown model and others takes that model's place in an exact sum, but
    adds its own rounding error. The weights are fitted, with every residual divided by the value's largest rounding
    error, so that the smallest values determine them: one set with sum 1, or a set of any sum for each of the `groups`
    (dims,), which spherical interpolation needs. None in single precision, where a sum is rounded at each step.
    """
    points = cohort.points[[child, *parents]] / cohort.scales[cohort.tensors]
    rounding = grain_of_first(points[0], cohort.tensors)
    if rounding == SINGLE:
        return None
    own, *terms = points
    allowed = largest_error(own, rounding)
    told = (allowed > 0.0) & (points != own).any(axis=0)
    start = np.zeros(len(own)) if groups is not None else terms.pop(0)
    within: list[NDArray[np.bool_]] = []
    for group in np.unique(groups) if groups is not None else [None]:
        here = told if groups is None else told & (groups == group)
        steps = np.array([(term - start)[here] / allowed[here] for term in terms])
        whole = (own - start)[here] / allowed[here]
        weights, *_ = np.linalg.lstsq(steps.T, whole)
        within.append(np.abs(whole - weights @ steps) <= WITHIN)
    found = np.concatenate(within)
    return float(found.mean()) >= _ONCE if len(found) else None
