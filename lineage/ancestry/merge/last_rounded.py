"""Which model of an exact sum was computed from the others: only that one was rounded after the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.ratios import HALF, grain_of_first
from lineage.types import Float64Array

_ARITHMETIC = (0.0, 0.25, 0.5, 1.0, 2.0)  # roundings of the terms, in largest errors, that arithmetic may have added
_FITS = 1.5  # greatest ratio of median to expected errors: more is not rounding, as on a great circle
_MOST_LEFT = 0.01  # greatest share of the squared movement that is rounding: beyond it the weights are too inexact
_PLAINLY = 150.0  # log-likelihood by which one must lead: in 2,400 sums of random models a wrong one led by 56 at most
_ONE_ROUNDING = 0.5  # median of a rounding error, in largest errors: they are uniform
_TAILS = 3.0  # degrees of freedom of Student's t: near zero the errors of the other terms are larger
_LEAST_HALF = 2.0**-25  # largest rounding error of float16 below its normal numbers


def is_last_rounded(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) was computed from its parents, rather than one of these from the others and it.

    None if the rounding errors do not decide.
    The child is the sum of the parents by `weights`, up to rounding errors. These are one rounding of the model that
    was computed, whose size follows from its type and its own value, and some roundings of the terms if the arithmetic
    was no more precise than their type.
    """
    factors = np.array([-1.0, *weights])
    points = cohort.points[[child, *parents]]
    movement = ((points[1:] - points[0]) ** 2).sum(axis=1).min()
    if ((factors @ points) ** 2).sum() > _MOST_LEFT * movement:
        return None
    values = points / cohort.scales[cohort.tensors]
    types = [grain_of_first(row, cohort.tensors) for row in values]
    largest = np.stack([largest_error(row, held) for row, held in zip(values, types, strict=True)])
    told = (largest > 0.0).all(axis=0) & (values != values[0]).any(axis=0)
    if not told.any():
        return None
    squares = (largest[:, told] * np.abs(factors)[:, None]) ** 2
    errors = np.abs(factors @ values[:, told])
    fits = [_fit(errors, own, squares.sum(axis=0) - own) for own in squares]
    likelihoods = [likelihood for likelihood, _ in fits]
    best = int(np.argmax(likelihoods))
    ahead = likelihoods[0] - max(likelihoods[1:])
    if abs(ahead) < _PLAINLY:
        return None
    times = max(float(np.median(ratios)) for ratios in fits[best][1])
    return None if times > _FITS else ahead > 0.0


def _fit(errors: Float64Array, own: Float64Array, terms: Float64Array) -> tuple[float, list[Float64Array]]:
    """Log-likelihood of errors whose largest are these, in squares, and how many times what is expected they are.

    The latter for each way of computing that is as likely.
    """
    found = []
    for share in _ARITHMETIC:
        scale = _ONE_ROUNDING * np.sqrt(own + share**2 * terms)
        ratios = errors / scale
        tails = (1.0 + _TAILS) / 2.0 * np.log1p(ratios**2 / _TAILS)
        found.append((-float((np.log(scale) + tails).sum()), ratios))
    most = max(likelihood for likelihood, _ in found)
    return most, [ratios for likelihood, ratios in found if likelihood == most]


def largest_error(values: Float64Array, rounding: float) -> Float64Array:
    """Largest rounding error of each value in a type with relative rounding error `rounding`; 0 for zeros."""
    found = np.where(values != 0.0, rounding * 2.0 ** (np.frexp(values)[1] - 1.0), 0.0)
    return np.where(found > 0.0, np.maximum(found, _LEAST_HALF), 0.0) if rounding == HALF else found
