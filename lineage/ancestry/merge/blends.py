"""Weighted sums of models that are reproduced value by value, even if the models are near.

If models moved by few units in the last place, as in gentle training stored in bfloat16, rounding dominates a
least-squares fit: its weights are wrong and its residual is large. Where every residual is divided by the largest
rounding error of its value, the smallest values, which are known best, determine the weights, and each value of a sum
that was rounded once comes out to half a unit in its last place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import SINGLE
from lineage.ancestry.merge.rounding import WITHIN
from lineage.types import Float64Array

_NEAREST = 10  # nearest members, of which two or three may have been added
MOST = 3  # greatest number of terms
_LEFT = 0.4  # greatest mean squared residual, in squared largest errors: uniform errors leave a third
LEAST_WEIGHT = 0.05  # of a term
_APART = 4.0  # least distance of a sum's value from each term, in largest errors: nearer ones tell nothing
_LEAST = 100  # least number of values that tell
SURELY = 0.97  # least share of them that is reproduced
_SMALLEST = 2.0**-20  # least rounding error of a value, as a share of the largest term: the sum is made in float32
RIDGE = 1e-9  # of the mean square of the terms: equal terms have no weights of their own


def blend(around: Neighbours, child: int, excluded: frozenset[int]) -> Mixture | None:
    """`child` as a sum of two or three other members (positions) with positive weights, rounded once; None otherwise.

    None in single precision, where a sum is rounded at each step.
    """
    near = around.near(child, excluded, beyond=0.0)[:_NEAREST]
    rounding = around.grain(child)
    if rounding == SINGLE or len(near) < 2:
        return None
    offsets, _, _ = in_errors(around, child, near, rounding)
    gram = offsets @ offsets.T / max(1, offsets.shape[1])
    for size in range(2, min(MOST, len(near)) + 1):
        found: list[tuple[float, tuple[int, ...], Float64Array]] = []
        for chosen, weights in _fits(gram, size):
            share = come_out(offsets[list(chosen)], weights @ offsets[list(chosen)])
            if share >= SURELY:
                found.append((share, chosen, weights))
        if found:
            _, chosen, weights = max(found, key=lambda one: (one[0], [-k for k in one[1]]))
            return Mixture(tuple(near[k] for k in chosen), tuple(map(float, weights)), {}, 0.0, "linear")
    return None


def in_errors(
    around: Neighbours, child: int, near: Sequence[int], rounding: float, within: slice = slice(None)
) -> tuple[Float64Array, Float64Array, NDArray[np.bool_]]:
    """Offsets of other members from a child and its values, in their largest rounding errors; which of them have one.

    They are (others, values), (values,) and (dims,), of the dims `within`.
    """
    points = around.cohort.points[:, within][[child, *near]]
    own, *rest = points / around.cohort.scales[around.cohort.tensors[within]]
    terms = np.array(rest)
    allowed = np.maximum(largest_error(own, rounding), _SMALLEST * np.abs(terms).max(axis=0))
    told = allowed > 0.0
    return (terms[:, told] - own[told]) / allowed[told], own[told] / allowed[told], told


def _fits(gram: Float64Array, size: int) -> list[tuple[tuple[int, ...], Float64Array]]:
    """The sets of so many terms whose weighted sum, with positive weights of sum 1, leaves no more than rounding.

    `gram` (n, n) are the mean products of the terms' offsets, in largest errors.
    """
    sets = sets_of(len(gram), size)
    some = gram[sets[:, :, None], sets[:, None, :]]
    weights = weights_of(some)
    left = np.einsum("si,sij,sj->s", weights, some, weights)
    likely = np.flatnonzero((left <= _LEFT) & (weights.min(axis=1) >= LEAST_WEIGHT))
    return [(tuple(sets[k].tolist()), weights[k]) for k in likely.tolist()]


def weights_of(grams: Float64Array) -> Float64Array:
    """Weights (sets, terms) of sum 1 that leave least, from products (sets, terms, terms) of the terms' offsets."""
    size = grams.shape[-1]
    ridge = (RIDGE * np.trace(grams, axis1=1, axis2=2)[:, None, None] + 1e-300) * np.eye(size)
    solved = np.linalg.solve(grams + ridge, np.ones((len(grams), size, 1)))[..., 0]
    return np.asarray(solved / solved.sum(axis=1, keepdims=True))


@cache
def sets_of(count: int, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """All sets of `size` numbers below `count`, one in each row."""
    return np.array(list(combinations(range(count), size)))


def come_out(offsets: Float64Array, off: Float64Array) -> float:
    """Share of the values that are the sum of the terms, of those where the sum lies clearly apart from every term.

    `offsets` (terms, values) are the terms less the model's values, `off` (values,) the sum less these, in largest
    errors; 0 if the values that tell are too few.
    """
    tells = (np.abs(offsets - off) >= _APART).all(axis=0)
    return float((np.abs(off[tells]) <= WITHIN).mean()) if tells.sum() >= _LEAST else 0.0
