"""Which of the models that one exact sum joins comes out bit for bit when the sum is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.ratios import BRAIN, HALF, grain

_SAMPLE = 4000  # values looked at: shares are then known to a hundredth
_ORDERS = 6  # in which terms are added: all of three
_SURELY = 0.9  # share of the values that must come out; in another order or precision fewer do
_ELSE = 0.75  # and of any other model at most: half of the roundings agree by chance
_NARROW = {HALF: np.dtype(np.float16), BRAIN: np.dtype(ml_dtypes.bfloat16)}

Singles = NDArray[np.float32]


def is_replayed(cohort: Cohort, child: int, parents: Sequence[int], weights: Sequence[float]) -> bool | None:
    """Whether a child (positions) comes out of its parents bit for bit, and none of them out of the others and it.

    The sum is computed in single precision as programs do: weighted differences added up and put on a base, which any
    of the terms may be; added to it one by one; or terms times their weights. False where one of the parents comes out,
    None where none does.
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
        shares_of_others = np.array([-factors[k] / factors[result] for k in others], np.float32)
        narrow = _NARROW.get(grain(points[result, cohort.tensors == cohort.tensors[0]]))
        totals = _totals(values[others], shares_of_others)
        rounded = (total if narrow is None else total.astype(narrow).astype(np.float32) for total in totals)
        shares.append(max(float((total == own).mean()) for total in rounded))
    first, *rest = shares
    if first >= _SURELY and max(rest) <= _ELSE:
        return True
    return False if max(rest) >= _SURELY and first <= _ELSE else None


def _totals(terms: Singles, weights: Singles) -> Iterator[Singles]:
    """The sum of terms times weights, in every way that is tried."""
    for base, start in enumerate(terms):
        others = [k for k in range(len(terms)) if k != base]
        steps = {k: weights[k] * (terms[k] - start) for k in others}
        for order in islice(permutations(others), _ORDERS):
            summed, one_by_one, plain = np.zeros_like(start), start, weights[base] * start
            for k in order:
                summed, one_by_one, plain = summed + steps[k], one_by_one + steps[k], plain + weights[k] * terms[k]
            yield from (start + summed, one_by_one, plain)
