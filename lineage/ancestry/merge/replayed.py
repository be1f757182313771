"""Which model of an exact sum is reproduced bit for bit when the sum is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.ratios import BRAIN, HALF, grain
from lineage.ancestry.pair.narrow_types import rounded

_SAMPLE = 4000  # sampled values: shares are then known to a hundredth
_PLACES, _NEAR = 4, 2e-6  # decimal places of a weight that somebody chose, and the tolerance of a fitted one
_ORDERS = 24  # orders in which terms are added: all orders of four
_SURELY = 0.97  # least share of reproduced values; another order or precision gives fewer
_AHEAD = 0.05  # least lead over the share of any other model, which is high if that model's weight is near 1
_NARROW = {HALF: "float16", BRAIN: "bfloat16"}

Singles = NDArray[np.float32]


def is_replayed(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) is reproduced bit for bit from its parents, and no parent from the others and it.

    The sum is computed as merge tools do: in double precision; or in single precision as a base (any of the terms) plus
    the sum of weighted differences, as a base to which these are added one by one, or as the sum of weighted terms.
    False if a parent is reproduced instead, None if no model is, or none clearly better than the others.
    """
    factors = [-1.0, *weights]
    points = cohort.points[[child, *parents]] / cohort.scales[cohort.tensors]
    places = np.flatnonzero((points != points[0]).any(axis=0))
    if not len(places):
        return None
    places = places[np.linspace(0, len(places) - 1, min(_SAMPLE, len(places))).astype(np.int64)]
    values = points[:, places].astype(np.float32)
    shares = []
    for result, own in enumerate(values):
        others = [k for k in range(len(values)) if k != result]
        of_others = [_plain(-factors[k] / factors[result]) for k in others]
        narrow = _NARROW.get(grain(points[result, cohort.tensors == cohort.tensors[0]]))
        totals = _totals(values[others], of_others)
        stored = (total if narrow is None else rounded(total, narrow) for total in totals)
        shares.append(max(float((total == own).mean()) for total in stored))
    first, *rest = shares
    ahead = first - max(rest)
    return None if max(shares) < _SURELY or abs(ahead) < _AHEAD else ahead > 0.0


def _plain(weight: float) -> float:
    """The weight that somebody chose: the decimal of few places within the error of a fit, else the weight itself."""
    decimal = round(weight, _PLACES)
    return decimal if abs(weight - decimal) < _NEAR else weight


def _totals(terms: Singles, exact: Sequence[float]) -> Iterator[Singles]:
    """The weighted sum of the terms (terms, values), computed in each way that is tried."""
    yield np.tensordot(exact, terms.astype(np.float64), axes=1).astype(np.float32)
    weights = np.array(exact, np.float32)
    for base, start in enumerate(terms):
        others = [k for k in range(len(terms)) if k != base]
        steps = {k: weights[k] * (terms[k] - start) for k in others}
        for order in islice(permutations(others), _ORDERS):
            summed, one_by_one, plain = np.zeros_like(start), start, weights[base] * start
            for k in order:
                summed, one_by_one, plain = summed + steps[k], one_by_one + steps[k], plain + weights[k] * terms[k]
            yield from (start + summed, one_by_one, plain)
