"""Which model of an exact sum is reproduced bit for bit when the sum is computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort, Points
from lineage.ancestry.merge.last_rounded import is_last_rounded
from lineage.ancestry.merge.ratios import BRAIN, HALF, SINGLE, grain_of_first
from lineage.ancestry.pair.narrow_types import rounded

_SAMPLE = 4000  # sampled values: shares are then known to a hundredth
_PLACES, _NEAR = 4, 2e-6  # decimal places of a weight that somebody chose, and the tolerance of a fitted one
_FEW_PLACES = 2  # of a weight where each step was rounded to a narrow type: a fit is no more exact then
_ORDERS = 24  # orders in which terms are added: all orders of four
_SURELY = 0.97  # least share of reproduced values; another order or precision gives fewer
_AHEAD = 0.05  # least lead over the share of any other model, which is high if that model's weight is near 1
_NARROW = {HALF: "float16", BRAIN: "bfloat16"}

Singles = NDArray[np.float32]
Rounding = Callable[[Singles], Singles]


def is_computed(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) was computed from its parents, rather than one of these from the others and it.

    None if neither its rounding errors nor computing it again tell. In single precision each step of a sum is rounded,
    so that errors of the terms outweigh the last one: an extrapolation beyond a model (negated task vectors, ExPO) is
    then a sum as good as the model between it and the other term. There, computing again decides first.
    """
    of = cohort, child, parents, weights
    is_single = grain_of_first(_stored(cohort, [child])[0], cohort.tensors) == SINGLE
    ways = (is_replayed, is_last_rounded) if is_single else (is_last_rounded, is_replayed)
    found = ways[0](*of)
    return ways[1](*of) if found is None else found


def is_replayed(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) is reproduced bit for bit from its parents, and no parent from the others and it.

    The sum is computed as merge tools do: in double precision; or in single precision as a base (any of the terms) plus
    the sum of weighted differences, as a base to which these are added one by one, or as the sum of weighted terms,
    divided by that of the weights; or in one of these ways with each step rounded to the narrow type of the result.
    False if a parent is reproduced instead, None if no model is, or none clearly better than the others. A model in a
    narrower type than another that is reproduced does not count: the others give it back by its rounding alone.
    """
    factors = [-1.0, *weights]
    points = _stored(cohort, [child, *parents])
    values = _moved(points)
    if not values.size:
        return None
    shares, grains = [], [grain_of_first(one, cohort.tensors) for one in points]
    for result, own in enumerate(values):
        others = [k for k in range(len(values)) if k != result]
        of_others = [-factors[k] / factors[result] for k in others]
        narrow = _NARROW.get(grains[result])
        shares.append(max(float((total == own).mean()) for _, total in _results(values[others], of_others, narrow)))
    finest = min((grain for grain, share in zip(grains, shares, strict=True) if share >= _SURELY), default=None)
    if finest is None:
        return None
    first, *rest = (share if grain <= finest else 0.0 for grain, share in zip(grains, shares, strict=True))
    ahead = first - max(rest)
    return None if abs(ahead) < _AHEAD else ahead > 0.0


def adds_differences(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool:
    """Whether a child is reproduced bit for bit only as one term and weighted differences of the others from it.

    So task arithmetic computes it. False where the plain sum of weighted terms reproduces as much, as it does if the
    result was rounded to a type that hides the steps.
    """
    points = _stored(cohort, [child, *parents])
    own, *terms = _moved(points)
    best = {True: 0.0, False: 0.0}
    for on_a_base, total in _results(np.array(terms), weights, _NARROW.get(grain_of_first(points[0], cohort.tensors))):
        best[on_a_base] = max(best[on_a_base], float((total == own).mean()) if own.size else 0.0)
    return best[True] >= _SURELY and best[True] - best[False] >= _AHEAD


def _stored(cohort: Cohort, models: Sequence[int]) -> Points:
    """The sampled values of models (models, dims) as they were stored."""
    return np.asarray(cohort.points[models] / cohort.scales[cohort.tensors])


def _moved(points: Points) -> Singles:
    """Some of the values in which not all models are equal, (models, values)."""
    places = np.flatnonzero((points != points[0]).any(axis=0))
    if len(places):
        places = places[np.linspace(0, len(places) - 1, min(_SAMPLE, len(places))).astype(np.int64)]
    return points[:, places].astype(np.float32)


def _results(terms: Singles, weights: Sequence[float], narrow: str | None) -> Iterator[tuple[bool, Singles]]:
    """The sum of the terms (terms, values) as it may have been stored, in `narrow` or else in single precision.

    With each comes whether it was computed as a base and differences from it.
    """
    chosen = np.array([_plain(weight) for weight in weights])
    double = np.tensordot(chosen, terms.astype(np.float64), axes=1).astype(np.float32)
    single = chosen.astype(np.float32)
    for on_a_base, total in ((False, double), *_totals(terms, single, lambda values: values)):
        yield on_a_base, total if narrow is None else rounded(total, narrow)
    if narrow is None:
        yield from ((how, total / single.sum()) for how, total in _totals(terms, single, lambda values: values))
        return
    few = np.array([round(weight, _FEW_PLACES) for weight in weights], np.float32)
    for stored in (few, rounded(few, narrow)):
        whole = rounded(stored.sum(keepdims=True), narrow)
        for on_a_base, total in _totals(terms, stored, lambda values: rounded(values, narrow)):
            yield on_a_base, rounded(rounded(total, narrow) / whole, narrow)


def _plain(weight: float) -> float:
    """The weight that somebody chose: the decimal of few places within the error of a fit, else the weight itself."""
    decimal = round(weight, _PLACES)
    return decimal if abs(weight - decimal) < _NEAR else weight


def _totals(terms: Singles, weights: Singles, kept: Rounding) -> Iterator[tuple[bool, Singles]]:
    """The weighted sum of the terms (terms, values), in each order that is tried; `kept` rounds the result of a step.

    The first of each pair says whether it is a base with weighted differences added.

    Sums of weighted terms, or differences, are rounded after each addition, or only as a whole.
    """
    for base, start in enumerate(terms):
        others = [k for k in range(len(terms)) if k != base]
        steps = {k: kept(weights[k] * kept(terms[k] - start)) for k in others}
        products = {k: kept(weights[k] * term) for k, term in enumerate(terms)}
        for order in islice(permutations(others), _ORDERS):
            summed, one_by_one, plain = np.zeros_like(start), start, products[base]
            at_once, all_at_once = summed, plain
            for k in order:
                summed, one_by_one = kept(summed + steps[k]), kept(one_by_one + steps[k])
                plain, at_once, all_at_once = kept(plain + products[k]), at_once + steps[k], all_at_once + products[k]
            yield from ((True, start + summed), (True, one_by_one), (True, start + kept(at_once)))
            yield from ((False, plain), (False, all_at_once))
