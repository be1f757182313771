"""Possible descents between models, with what each direction costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.arborescence import Arc
from lineage.ancestry.comparison import compare
from lineage.ancestry.geometry import Cohort, Points, common_distances
from lineage.ancestry.merges import Mixture
from lineage.ancestry.relations import is_significant
from lineage.types import CheckpointSketch, Comparison

Watch = Callable[[int, int], None]

STRANGE = 2.8  # -log r at r = 0.06; the cost of having no parent: the comparison decides, this only saves work
_ROUGHLY = 1.6  # -log r at r = 0.2, of the few matrices that two structures share
_NEAREST = 8  # candidates of the same structure
_STRANGERS = 2  # candidates in each other structure
_CHILD_OF_MERGE = 0.7  # a merge's child lies nearer to it than the merge to its own parents; its base does not
_FOREIGN = 0.1  # cost of having nothing but the compared matrices in common
_TAKEN_OUT = 0.5  # cost of being one component of a larger model that came first
_RELATED_Z = 6.0
_MARKOV = 2.0  # cost of a partial correlation of 1 with the initialisation
_MARKOV_SLACK = 0.04  # partial correlation that training leaves by itself


class Pairs:
    """Full comparisons, each made once."""

    def __init__(self, sketches: Sequence[CheckpointSketch], watch: Watch | None) -> None:
        self.sketches = sketches
        self._watch = watch
        self._made: dict[tuple[int, int], Comparison] = {}

    def compared(self, query: int, reference: int) -> Comparison:
        """What model `query` is to model `reference`."""
        if (query, reference) not in self._made:
            self._made[query, reference] = compare(self.sketches[query], self.sketches[reference])
            if self._watch is not None:
                self._watch(len(self._made), max(len(self._made), 2 * len(self.sketches)))
        return self._made[query, reference]

    def is_known(self, query: int, reference: int) -> bool:
        """Whether this comparison has been made."""
        return (query, reference) in self._made


def is_related(found: Comparison) -> bool:
    """Whether a comparison found common descent of any kind, be its word in doubt."""
    return is_significant(found.evidence) and found.relation != "independent"


def within(
    cohort: Cohort, first: Container[int], mixtures: Mapping[int, Mixture], weights: NDArray[np.float64] | None = None
) -> Iterator[Arc]:
    """Arcs between near members of one structure, both ways.

    Given its parent, a model is independent of the initialisation (Markov property of the tree): where the
    partial correlation with a known initialisation stays positive, the supposed parent is a sibling or a child, and the
    arc is dearer.
    """
    distance = cohort.distances(weights)
    likeness = np.exp(-distance)
    place = {member: i for i, member in enumerate(cohort.members)}
    starts = [i for i, member in enumerate(cohort.members) if member in first]
    for i, member in enumerate(cohort.members):
        if member in first or member in mixtures:
            continue
        for j in np.argsort(distance[i]):
            other = cohort.members[j]
            if j == i or distance[i, j] >= STRANGE:
                continue
            sources = [place[p] for p in mixtures[other].parents] if other in mixtures else []
            if sources and not _is_child_of_merge(distance, i, int(j), sources):
                continue
            penalty = _MARKOV * max(0.0, _partial(likeness, i, int(j), starts) - _MARKOV_SLACK)
            yield Arc(other, member, float(distance[i, j]) + penalty)


def _is_child_of_merge(distance: Points, child: int, merge: int, parents: Sequence[int]) -> bool:
    return child not in parents and distance[child, merge] < _CHILD_OF_MERGE * min(distance[merge, p] for p in parents)


def _partial(likeness: Points, child: int, parent: int, starts: Sequence[int]) -> float:
    """Partial correlation of the child with the nearest initialisation, the parent held fixed; 0 without one."""
    near = max((s for s in starts if s != parent), key=lambda s: likeness[child, s], default=None)
    if near is None or likeness[child, near] < 0.1 or likeness[parent, near] < 0.1:
        return 0.0
    with_parent, of_child, of_parent = likeness[child, parent], likeness[child, near], likeness[parent, near]
    spread = math.sqrt(max(1e-9, (1 - with_parent**2) * (1 - of_parent**2)))
    return float((of_child - with_parent * of_parent) / spread)


def between(grouped: Sequence[Cohort], pairs: Pairs, mixed: Container[int]) -> Iterator[Arc]:
    """Arcs to near members of other structures (layers, vocabulary or width changed), both ways."""
    for number, left in enumerate(grouped):
        for right in grouped[number + 1 :]:
            rough = common_distances(left, right)
            if rough is None:
                continue
            wanted = {(i, int(j)) for i in range(len(rough)) for j in np.argsort(rough[i])[:_STRANGERS]}
            wanted |= {(int(i), j) for j in range(rough.shape[1]) for i in np.argsort(rough[:, j])[:_STRANGERS]}
            for i, j in sorted(wanted):
                ends = sorted((left.members[i], right.members[j]), key=lambda k: pairs.sketches[k].params)
                if rough[i, j] < _ROUGHLY:
                    yield from (arc for arc in _across(ends[0], ends[1], pairs) if arc.child not in mixed)


def _across(small: int, large: int, pairs: Pairs) -> Iterator[Arc]:
    """Both arcs between two related models of different structure.

    Of two candidates as near, the one with more in common is the likelier; and parts are put together more often
    than taken out.
    """
    found = pairs.compared(small, large)
    distance = _remaining(found)
    if distance is None:
        return
    sketches = pairs.sketches[small], pairs.sketches[large]
    related = sum(math.prod(m.shape) for m in found.tensors if m.used and (m.z or 9.0) > _RELATED_Z)
    distance += _FOREIGN * (1.0 - related / sketches[1].params)
    parts = [{t.part.component for t in sketch.tensors if t.part.generic is None} for sketch in sketches]
    yield Arc(small, large, distance)
    yield Arc(large, small, distance + (_TAKEN_OUT if parts[0] < parts[1] else 0.0))


def _remaining(found: Comparison) -> float | None:
    """-log r over the matrices that correspond; None if the two are not related."""
    if not is_related(found):
        return None
    kept = [m for m in found.tensors if m.used and (m.z or 9.0) > _RELATED_Z]
    sizes = [(math.prod(m.shape), m.r) for m in kept if m.r is not None]
    total = sum(size for size, _ in sizes)
    return sum(-size * math.log(min(1.0, max(r, 0.03))) for size, r in sizes) / total if total else None
