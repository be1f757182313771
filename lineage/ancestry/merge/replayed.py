"""Which model of an exact sum is reproduced bit for bit when the sum is computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.ratios import BRAIN, HALF, grain_of_first
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


def is_replayed(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) is reproduced bit for bit from its parents, and no parent from the others and it.

    The sum is computed as merge tools do: in double precision; or in single precision as a base (any of the terms) plus
    the sum of weighted differences, as a base to which these are added one by one, or as the sum of weighted terms,
    divided by that of the weights; or in one of these ways with each step rounded to the narrow type of the result.
    False if a parent is reproduced instead, None if no model is, or none clearly better than the others. A model in a
    narrower type than another that is reproduced does not count: the others give it back by its rounding alone.
    """
    factors = [-1.0, *weights]
    points = cohort.points[[child, *parents]] / cohort.scales[cohort.tensors]
    places = np.flatnonzero((points != points[0]).any(axis=0))
    if not len(places):
        return None
    places = places[np.linspace(0, len(places) - 1, min(_SAMPLE, len(places))).astype(np.int64)]
    values = points[:, places].astype(np.float32)
    shares, grains = [], [grain_of_first(one, cohort.tensors) for one in points]
    for result, own in enumerate(values):
        others = [k for k in range(len(values)) if k != result]
        of_others = [-factors[k] / factors[result] for k in others]
        narrow = _NARROW.get(grains[result])
        shares.append(max(float((total == own).mean()) for total in _results(values[others], of_others, narrow)))
    finest = min((grain for grain, share in zip(grains, shares, strict=True) if share >= _SURELY), default=None)
    if finest is None:
        return None
    first, *rest = (share if grain <= finest else 0.0 for grain, share in zip(grains, shares, strict=True))
    ahead = first - max(rest)
    return None if abs(ahead) < _AHEAD else ahead > 0.0


def _results(terms: Singles, weights: Sequence[float], narrow: str | None) -> Iterator[Singles]:
    """The sum of the terms (terms, values) as it may have been stored, in `narrow` or else in single precision."""
    chosen = np.array([_plain(weight) for weight in weights])
    double = np.tensordot(chosen, terms.astype(np.float64), axes=1).astype(np.float32)
    single = chosen.astype(np.float32)
    for total in (double, *_totals(terms, single, lambda values: values)):
        yield total if narrow is None else rounded(total, narrow)
    if narrow is None:
        yield from (total / single.sum() for total in _totals(terms, single, lambda values: values))
        return
    few = np.array([round(weight, _FEW_PLACES) for weight in weights], np.float32)
    for stored in (few, rounded(few, narrow)):
        whole = rounded(stored.sum(keepdims=True), narrow)
        for total in _totals(terms, stored, lambda values: rounded(values, narrow)):
            yield rounded(rounded(total, narrow) / whole, narrow)


def _plain(weight: float) -> float:
    """The weight that somebody chose: the decimal of few places within the error of a fit, else the weight itself."""
    decimal = round(weight, _PLACES)
    return decimal if abs(weight - decimal) < _NEAR else weight


def _totals(terms: Singles, weights: Singles, kept: Rounding) -> Iterator[Singles]:
    """The weighted sum of the terms (terms, values), in each order that is tried; `kept` rounds the result of a step.

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
            yield from (start + summed, one_by_one, plain, start + kept(at_once), all_at_once)
