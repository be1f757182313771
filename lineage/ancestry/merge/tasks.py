"""Task arithmetic (Ilharco et al. 2023): a base plus weighted differences; weights of any sign that sum to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.ancestry.merge.mixture import LEAST_WEIGHT, MOST_PARENTS, Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import BRAIN
from lineage.ancestry.merge.replayed import is_computed
from lineage.ancestry.merge.rounding import leaves_rounding
from lineage.types import Float64Array

_EXACT = 1e-6  # share of the movement that float32 may leave
_TRIED = 60  # neighbours in one fit: bounds the cost
_MOST_WEIGHT = 3.0  # beyond it a fit is taken for chance
_MOST_BASE = 0.5  # greatest absolute weight of a base that is added to a sum of others
_LIKELIEST = 3  # bases that are checked value by value
_STANDS_OUT = 0.2  # least lead of the base in the largest cosine of the differences from it, over any other parent


def task_mixture(around: Neighbours, child: int, near: Sequence[int]) -> Mixture | None:
    """The base and the models whose differences from it were added to give `child`, or None.

    An exact sum with weights of any sign can be solved for each of its models, not only for the merge: `child` must be
    the one that was rounded last, or the one that is reproduced when the sum is computed again. If neither test
    decides, the merge cannot be distinguished from its terms, and the answer is None.
    """
    chosen = list(near[:_TRIED])
    if len(chosen) < 2:
        return None
    gram = around.all_offsets(child, chosen)
    movement = float(np.diag(gram).min())
    stored = around.grain(child)
    for rounding in dict.fromkeys((stored, BRAIN)):
        allowed = max(_EXACT * movement, around.rounding(child, [rounding], movement))
        if _affine(gram)[1] <= allowed:
            return _told(around, child, [chosen[k] for k in _fewest(gram, allowed)], allowed)
    return None


def with_base(around: Neighbours, child: int, parents: Sequence[int], near: Sequence[int]) -> Mixture | None:
    """The sum of `parents` and of a base with a small weight of either sign that leaves only rounding, or None.

    If the weights of the differences sum to slightly more or less than one, the merge lies nearly between the parents.
    """
    found = []
    for base in near[:_TRIED]:
        if base not in parents:
            weights, left = _affine(around.all_offsets(child, [*parents, base]))
            if LEAST_WEIGHT <= abs(weights[-1]) <= _MOST_BASE and weights[:-1].min() >= LEAST_WEIGHT:
                found.append((left, base, weights))
    for left, base, weights in sorted(found, key=lambda one: one[0])[:_LIKELIEST]:
        if leaves_rounding(around.cohort, child, [*parents, base]):
            movement = float(np.diag(around.all_offsets(child, parents)).min())
            every = (*parents, base)
            return Mixture(every, tuple(map(float, weights)), {}, left / movement, "task arithmetic", task_base=base)
    return None


def _told(around: Neighbours, child: int, parents: Sequence[int], allowed: float) -> Mixture | None:
    if not 2 <= len(parents) <= MOST_PARENTS:
        return None
    offsets = around.cohort.points[list(parents)] - around.cohort.points[child]
    weights, left = _affine(offsets @ offsets.T)
    if left > allowed or np.abs(weights).min() < LEAST_WEIGHT or np.abs(weights).max() > _MOST_WEIGHT:
        return None
    if len(parents) == 2 and weights.min() > 0.0:
        return None  # between the two: a plain sum
    if _may_be_mean(around, child, parents, weights):
        return None
    if not is_computed(around.cohort, child, parents, weights.tolist()):
        return None
    movement = float((offsets**2).sum(axis=1).min())
    base = _base(around, parents, weights)
    return Mixture(tuple(parents), tuple(map(float, weights)), {}, left / movement, "task arithmetic", task_base=base)


def _may_be_mean(around: Neighbours, child: int, parents: Sequence[int], weights: Float64Array) -> bool:
    """Whether a parent may be a mean of the others and of a finer model, of which the child is a copy in a narrow type.

    Where all other terms are subtracted, the same sum makes the one that is added a mean of the child and of these, and
    the child's rounding hides that of the mean.
    """
    added = [parent for parent, weight in zip(parents, weights, strict=True) if weight > 0.0]
    return len(added) == 1 and around.grain(child) > around.grain(added[0])


def _base(around: Neighbours, parents: Sequence[int], weights: Float64Array) -> int | None:
    """The parent from which the differences of the others are least correlated, as if trained independently.

    None for two parents, and if no parent stands out. None as well if a difference from it was subtracted: a model on
    the way from the true base to another stands at a right angle between the two, as a base does between its children.
    """
    if len(parents) < 3:
        return None
    alike = {one: around.likeness(one, [other for other in parents if other != one]) for one in parents}
    base, next_ = sorted(parents, key=lambda one: alike[one])[:2]
    are_added = all(weight > 0.0 for one, weight in zip(parents, weights, strict=True) if one != base)
    return base if are_added and alike[next_] - alike[base] >= _STANDS_OUT else None


def _affine(gram: Float64Array) -> tuple[Float64Array, float]:
    """Weights (n,) of any sign, sum 1, that minimise the squared length of the weighted offsets, and that length.

    `gram` (n, n) are the inner products of the offsets.
    """
    ridge = gram + np.eye(len(gram)) * 1e-13 * np.trace(gram)
    solved = np.linalg.lstsq(ridge, np.ones(len(gram)), rcond=None)[0]
    weights = solved / solved.sum() if abs(solved.sum()) > 1e-300 else solved
    return weights, max(float(weights @ gram @ weights), 0.0)


def _fewest(gram: Float64Array, allowed: float) -> list[int]:
    """Candidates left after dropping those of least effect, as long as the residual stays within `allowed`."""
    kept = list(range(len(gram)))
    while len(kept) > 2:
        weights = _affine(gram[np.ix_(kept, kept)])[0]
        effect = np.abs(weights) * np.sqrt(np.diag(gram)[kept])
        for k in np.argsort(effect):
            fewer = [one for one in kept if one != kept[k]]
            if _affine(gram[np.ix_(fewer, fewer)])[1] <= allowed:
                kept = fewer
                break
        else:
            return kept
    return kept
