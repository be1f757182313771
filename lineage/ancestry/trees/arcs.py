"""Candidate arcs of descent between models, with the cost of each direction."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort, Points
from lineage.ancestry.trees.arborescence import Integers
from lineage.ancestry.trees.pairs import Pairs
from lineage.types import CheckpointSketch
from lineage.types.facts.disguises import Beneath

Real = TypeVar("Real", float, Points)

STRANGE = 2.8  # -log r at r = 0.06: the cost of having no parent; it only saves work, the comparison decides
_NEAREST = 12  # candidates of the same structure
_ROUGHLY = 0.2  # least share of a model found in one of another structure
_STRANGERS = 2  # candidates in each of the other structures
_CHILD_OF_MERGE = 0.9  # of the distance from a merge to the base of parents that moved independently
OTHER_PARTS = 1e-3  # cost of another head or embedding around the same layers: each task has its own
_CHANGED = 0.05  # cost of a change of structure: most steps are plain training
_FOREIGN = 0.05  # cost of having nothing but the compared matrices in common: at 0.02 a sibling that lacks layers won
_UNTRAINED = 0.5  # cost of a change of structure from an initialisation: structures are changed after training
_TAKEN_OUT = 0.5  # cost of being a component taken out of a larger model
_DISGUISED = 1.0  # cost of a disguise: undisguised relatives place a model better than neurons do
_LONELY = 1e-3  # cost of a parent without undisguised relatives: it breaks exact ties
_MARKOV = 2.0  # cost of a partial correlation of 1 with the initialisation
_MARKOV_SLACK = 0.04  # partial correlation that training alone leaves
_FAINT = 0.1  # correlation with the initialisation below which it is not evidence


@dataclass(frozen=True, slots=True)
class Arc:
    """A candidate descent: `cost` grows with the distance and with the evidence against this direction."""

    parent: int
    child: int
    cost: float


def within(
    cohort: Cohort,
    first: Collection[int],
    merged: Mapping[int, Sequence[int]],
    weights: NDArray[np.float64] | None = None,
) -> Iterator[Arc]:
    """Arcs between near members of one structure, in both directions.

    Given its parent, a model is independent of the initialisation (Markov property of the tree). If the partial
    correlation with a known initialisation stays positive, the supposed parent is a sibling or a child: the arc costs
    more, by the excess of this partial correlation over that of the reversed arc.
    """
    distance, steps = cohort.distances(weights), cohort.steps(weights)
    starts = [i for i, member in enumerate(cohort.members) if member in first]
    children, parents = _neighbours(distance, steps, starts)
    likeness = np.exp(-distance)
    straight, turned = (_partial(likeness, *ends, starts) for ends in ((children, parents), (parents, children)))
    costs = steps[children, parents] + _MARKOV * np.maximum(0.0, straight - np.maximum(turned, _MARKOV_SLACK))
    place = {member: i for i, member in enumerate(cohort.members)}
    for i, j, cost in zip(children.tolist(), parents.tolist(), costs.tolist(), strict=True):
        member, other = cohort.members[i], cohort.members[j]
        if member in first or member in merged:
            continue
        sources = [place[p] for p in merged.get(other, ()) if p in place]
        if not sources or _is_child_of_merge(distance, i, j, sources):
            yield Arc(other, member, cost)


def _neighbours(distance: Points, steps: Points, starts: Sequence[int]) -> tuple[Integers, Integers]:
    """Ordered pairs of members that are near each other, or one of which is an initialisation."""
    apart = np.where(np.eye(len(distance), dtype=bool), np.inf, steps)
    chosen = np.zeros(distance.shape, bool)
    order = np.argsort(apart, axis=1, kind="stable")[:, :_NEAREST]
    np.put_along_axis(chosen, order, True, axis=1)
    chosen[:, starts] = True
    chosen |= chosen.T
    np.fill_diagonal(chosen, val=False)
    first, second = np.nonzero(chosen & (distance < STRANGE))
    return first, second


def _is_child_of_merge(distance: Points, child: int, merge: int, parents: Sequence[int]) -> bool:
    """Whether a model lies nearer to a merge than the base of the merge's parents can.

    If n parents moved from their base independently, each equally far, and were merged at equal weights, the squared
    distance from the base to the merge is 1 / (n - 1) of that from the merge to a parent.
    """
    apart = sum(distance[merge, p] for p in parents) / len(parents)
    return child not in parents and distance[child, merge] * max(1, len(parents) - 1) < _CHILD_OF_MERGE * apart


def _partial(likeness: Points, children: Integers, parents: Integers, starts: Sequence[int]) -> Points:
    """Partial correlation of each child with its nearest initialisation, given its parent; 0 without one."""
    if not starts:
        return np.zeros(len(children))
    begun = np.array(starts)
    rows = likeness[np.ix_(np.arange(len(likeness)), begun)][children]
    rows[(begun == children[:, None]) | (begun == parents[:, None])] = 0.0
    nearest = begun[rows.argmax(axis=1)]
    own, above = rows.max(axis=1), likeness[parents, nearest]
    found = partial_correlation(own, likeness[children, parents], above)
    return np.where((own < _FAINT) | (above < _FAINT), 0.0, found)


def partial_correlation(between: Real, left: Real, right: Real) -> Real:
    """Partial correlation of two models given a third.

    `between` is the correlation of the two, `left` and `right` are those of each with the third.
    """
    spread = np.sqrt(np.maximum(1e-12, (1 - left**2) * (1 - right**2)))
    return (between - left * right) / spread  # type: ignore[no-any-return]


def strangers(share: Points, structure: Sequence[int], sketches: Sequence[CheckpointSketch]) -> list[Arc]:
    """Pairs of models of different structure that are worth a comparison, the smaller as parent.

    `share` (models, models) is `Likeness.of_models`, `structure` numbers the structure of each model. The cost is
    optimistic: a comparison rarely finds a lower one.
    """
    kinds = np.array(structure)
    wanted: set[tuple[int, int]] = set()
    mutual = np.maximum(share, share.T)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        order = members[np.argsort(-mutual[:, members], axis=1, kind="stable")[:, :_STRANGERS]]
        found = (mutual[np.arange(len(kinds))[:, None], order] > _ROUGHLY) & (kinds != kind)[:, None]
        wanted |= {
            (min(i, j), max(i, j)) for i, j in zip(np.nonzero(found)[0].tolist(), order[found].tolist(), strict=True)
        }
    arcs = []
    for i, j in sorted(wanted):
        small, large = sorted((i, j), key=lambda k: (sketches[k].params, k))
        foreign = _FOREIGN * (1.0 - float(share[large, small]))
        arcs.append(Arc(small, large, -math.log(min(1.0, float(mutual[i, j]))) + _CHANGED + foreign))
    return arcs


def across(
    candidates: Iterable[Arc],
    pairs: Pairs,
    kin: NDArray[np.int64],
    first: Collection[int],
    merged: Collection[int],
) -> Iterator[Arc]:
    """Arcs between models of different structure (layers, vocabulary, width or parts changed), in both directions.

    Before a pair of `strangers` is compared, its cost comes from the rough similarity; afterwards it is -log r of the
    corresponding matrices. Of two candidates equally near, the one with more parameters in common is preferred, and
    adding a component is preferred to taking one out. Of two equally near under a disguise, the one with more
    undisguised relatives is preferred: `kin` (models,) counts them.
    """
    for one in candidates:
        small, large = one.parent, one.child
        costs = _costs_across(small, large, pairs) if pairs.is_known(small, large) else (one.cost, one.cost)
        for parent, child, cost in ((small, large, costs[0]), (large, small, costs[1])):
            begun = _UNTRAINED if parent in first else 0.0
            if cost < STRANGE and child not in first and child not in merged:
                lonely = _LONELY / (1.0 + float(kin[parent])) if pairs.are_disguised(small, large) else 0.0
                yield Arc(parent, child, cost + begun + lonely)


def _costs_across(small: int, large: int, pairs: Pairs) -> tuple[float, float]:
    """The cost of descent of the larger from the smaller, and of the reverse; infinite without a relation."""
    r = pairs.correlation(small, large)
    if r is None:
        return math.inf, math.inf
    alike = sum(params for params, _ in pairs.alike(small, large))
    apart = sum(max(0.0, 1.0 - alike / pairs.sketches[model].params) for model in (small, large))
    distance = -math.log(r) + _CHANGED + _FOREIGN * apart
    if pairs.are_disguised(small, large):
        beneath = {fact.relation for fact in pairs.either(small, large)[0].basis if isinstance(fact, Beneath)}
        distance += _DISGUISED + (_CHANGED if any(one.reshapes for one in beneath) else 0.0)
    is_part = pairs.components(small) < pairs.components(large) and not pairs.sketches[small].unread
    return distance, distance + (_TAKEN_OUT if is_part else 0.0)
