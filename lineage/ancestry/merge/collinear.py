"""Models that could replace a parent of a merge: copies of it, and models on the same line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lineage.ancestry.merge.mixture import COPY, LEAST_WEIGHT, Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import BRAIN
from lineage.ancestry.merge.simplex import simplex_weights

_EXACT = 1e-6  # share of the movement, or of a difference, that float32 rounding leaves
_AS_GOOD = 3.0  # greatest ratio of the residual with another parent to that with the chosen one

SUMS = ("linear", "layerwise linear", "tensorwise linear")


def stand_ins(around: Neighbours, child: int, found: Mixture) -> Iterator[tuple[int, int]]:
    """Pairs (parent, other): with the other in the parent's place, the mixture explains `child` equally well.

    In a sum the weights may change. In other methods the other must be a copy, or its difference from the base must be
    a multiple of the parent's difference.
    """
    others = [other for other in around.near(child) if other not in found.parents]
    for place, parent in enumerate(found.parents):
        for other in others:
            if found.method in SUMS:
                fits = _fits_a_sum(around, child, found, place, other)
            else:
                fits = _is_in_line(around, parent, other, found.parents)
            if fits:
                yield parent, other


def _fits_a_sum(around: Neighbours, child: int, found: Mixture, place: int, other: int) -> bool:
    parents = [*found.parents[:place], *found.parents[place + 1 :], other]
    gram = around.all_offsets(child, parents)
    movement = float(around.distances[child, list(found.parents)].min())
    weights = simplex_weights(gram)
    allowed = max(_EXACT, _AS_GOOD * found.residual) * movement
    allowed = max(allowed, around.rounding(child, [BRAIN], movement))
    return bool(weights.min() >= LEAST_WEIGHT and float(weights @ gram @ weights) <= allowed)


def _is_in_line(around: Neighbours, parent: int, other: int, parents: Sequence[int]) -> bool:
    if around.distances[parent, other] < COPY:
        return True
    base = parents[-1]
    if parent == base:
        return False
    gram = around.all_offsets(base, [parent, other])
    return bool(gram[0, 1] > 0.0 and gram[0, 1] ** 2 > (1.0 - _EXACT) * gram[0, 0] * np.diag(gram)[1])
