"""The cost of every possible descent in a family: low at first, raised by comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Points
from lineage.ancestry.trees.arborescence import cheapest_forest
from lineage.ancestry.trees.arcs import Arc, across
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.pairs import is_related
from lineage.ancestry.trees.untouched import Untouched
from lineage.match import expert_of
from lineage.types import Direction, Relation

Tree = dict[int, Arc]
Draw = tuple[Mapping[int, float], Points]
"""What it costs each member to have no parent, and the price of every arc within a structure."""

_CUE = 1.0  # cost of an arc against the cues of direction
_NO_ROOT = 10.0  # cost of no parent for a model that can be computed from another: more than any arc
_KEPT = 1.0  # cost of an arc of an earlier search that is not a candidate now
_RUNNERS_UP = 2  # arcs across structures compared beside the cheapest, since their costs are rough
_CLOSE = 1.3  # runners-up cost at most this many times the cheapest
_TOUCHED = 0.01  # cost of changing all tensors: as what a light fine-tuning moves; it decides between near models
_APART = 1e-4  # cost of vectors that lie apart: it separates what is as near by its matrices
_TOGETHER = 1 << 16  # arcs among which forests are sought at once: a few megabytes
_EXACT = 0.9999  # correlation of matrices that were copied, whatever became of the others


class Prices:
    """All arcs of a family as rows of one table, repriced pair by pair.

    `near` are arcs within structures, `foreign` candidates of `across`; `roots` is the cost for each member of having
    no parent. An arc costs least before its ends have been compared; a comparison raises the cost if the cues are
    against the direction, or makes the arc impossible. A pruned or quantized model has its parent among the models that
    it can be computed from. Between models that are placed already, only the arc found earlier is possible.
    """

    def __init__(
        self,
        field: Field,
        roots: Mapping[int, float],
        merged: Mapping[int, Sequence[int]],
        near: Iterable[Arc],
        foreign: Sequence[Arc],
        *,
        untouched: Untouched,
    ) -> None:
        self._field = field
        self._pairs = field.pairs
        self._merged = merged
        self._place = {member: i for i, member in enumerate(sorted(roots))}
        self._foreign = {(arc.parent, arc.child): arc for arc in foreign}
        near = list(near)
        found = [*near, *self._across(foreign)]
        arcs = [arc for arc in found if field.keeps_roundings(arc.parent, arc.child) and arc.child not in field.rounded]
        # A rounded copy is a child of its source; models that do not hold its rounding error are as near to both.
        arcs += [Arc(finer, copy, 0.0) for copy, finer in field.rounded.items() if copy in roots]
        arcs = [arc for arc in arcs if field.is_open([arc.parent, arc.child])]
        arcs += self._kept({(arc.parent, arc.child): arc.cost for arc in found})
        # A merge is a child of its first parent here, so that no ancestor of that parent can be a child of the merge.
        arcs += [Arc(parents[0], child, 0.0) for child, parents in merged.items()]
        self._rows = {(arc.parent, arc.child): row for row, arc in enumerate(arcs)}
        self._ends = [(arc.parent, arc.child) for arc in arcs]
        self._parents, self._children = (
            np.array([self._place[ends[side]] for ends in self._ends], np.int64) for side in (0, 1)
        )
        self._found = np.array([arc.cost for arc in arcs])
        self._surcharges = np.zeros(len(arcs))
        changed, apart = untouched.steps(self._parents, self._children)
        self._small = _TOUCHED * changed + _APART * apart
        self._is_told = np.array([ends[1] in merged or not field.is_open(ends) for ends in self._ends], bool)
        self._is_computed = np.zeros(len(arcs), bool)
        self._is_near = np.zeros(len(arcs), bool)
        self._is_near[[self._rows[ends] for arc in near if (ends := (arc.parent, arc.child)) in self._rows]] = True

    def cheapest(self, roots: Mapping[int, float]) -> Tree:
        """The cheapest forest at what is known now."""
        return self._forests(self._costs(self._found)[None], [roots])[0]

    def cheapest_of(self, draws: Sequence[Draw], banned: Sequence[Collection[tuple[int, int]]]) -> list[Tree]:
        """The cheapest forest at the prices of each draw, without the arcs (parent, child) that are banned from it."""
        found: list[Tree] = []
        together = max(1, _TOGETHER // max(1, len(self._ends)))
        for start in range(0, len(draws), together):
            some = draws[start : start + together]
            costs = self._costs(np.where(self._is_near, [drawn for _, drawn in some], self._found))
            for row, arcs in zip(costs, banned[start : start + together], strict=True):
                row[[self._rows[ends] for ends in arcs if ends in self._rows]] = np.inf
            found += self._forests(costs, [roots for roots, _ in some])
        return found

    def _forests(self, costs: Points, roots: Sequence[Mapping[int, float]]) -> list[Tree]:
        """The cheapest forest at each row of `costs` (forests, arcs).

        All are found as one of as many trees that have no arc in common: a round of contraction costs a hundred calls
        of NumPy, however many nodes there are.
        """
        count, members, arcs = len(costs), len(self._place), len(self._ends)
        # What can be computed from another model has a parent.
        begun = np.array([[one[m] for m in self._place] for one in roots])
        begun += np.where(self._has_computed(), _NO_ROOT, 0.0)
        first = np.repeat(np.arange(count) * members, arcs)
        parents, children = (first + np.tile(side, count) for side in (self._parents, self._children))
        found: list[Tree] = [{} for _ in roots]
        for place in cheapest_forest(parents, children, costs.reshape(-1), begun.reshape(-1)):
            number, row = divmod(place, arcs)
            arc = Arc(*self._ends[row], float(costs[number, row]))
            if arc.child not in self._merged:
                found[number][arc.child] = arc
        return found

    def nearest(self) -> list[tuple[int, int]]:
        """The cheapest arc into each member and, if it leads across structures, its close runners-up that do too."""
        costs = self._costs(self._found)
        order = np.lexsort((self._parents, costs, self._children))
        order = order[np.isfinite(costs[order])]
        _, first, counts = np.unique(self._children[order], return_index=True, return_counts=True)
        wanted: list[int] = []
        for start, count in zip(first.tolist(), counts.tolist(), strict=True):
            cheapest, *others = order[start : start + count].tolist()
            wanted.append(cheapest)
            if not self._is_near[cheapest]:
                close = [row for row in others[:_RUNNERS_UP] if costs[row] <= _CLOSE * costs[cheapest]]
                wanted += [row for row in close if not self._is_near[row]]
        return [self._ends[row] for row in wanted]

    def drawn(self, near: Iterable[Arc]) -> Points:
        """Costs of the arcs in `near`, by row (arcs,); infinite for all other rows."""
        found = np.full(len(self._ends), np.inf)
        for arc in near:
            row = self._rows.get((arc.parent, arc.child))
            if row is not None:
                found[row] = arc.cost
        return found

    def ban(self, arcs: Iterable[tuple[int, int]]) -> None:
        """Make arcs (parent, child) impossible."""
        self._found[[self._rows[ends] for ends in arcs if ends in self._rows]] = np.inf

    def tell(self, left: int, right: int) -> None:
        """Reprice the arcs between two models that have been compared."""
        found, _ = self._pairs.either(left, right)
        foreign = self._foreign.get((left, right)) or self._foreign.get((right, left))
        costs = {(arc.parent, arc.child): arc.cost for arc in self._across([foreign])} if foreign else {}
        for parent, child in ((left, right), (right, left)):
            row = self._rows.get((parent, child))
            if row is None or child in self._merged or not self._field.is_open([parent, child]):
                continue
            self._is_told[row] = True
            if foreign and np.isfinite(self._found[row]):
                self._found[row] = costs.get((parent, child), np.inf)
            against = _CUE if self._pairs.direction(child, parent) == Direction.PARENT else 0.0
            self._surcharges[row] = against if is_related(found) else np.inf
            self._is_computed[row] = self.is_computed(child, parent)

    def hear(self) -> None:
        """Reprice candidates across structures that were compared for another reason."""
        for small, large in self._foreign:
            if self._pairs.is_known(large, small) and not self.is_told(small, large):
                self.tell(small, large)

    def is_told(self, parent: int, child: int) -> bool:
        """Whether the costs include the comparison of the two."""
        row = self._rows.get((parent, child))
        return self._pairs.is_known(child, parent) if row is None else bool(self._is_told[row])

    def is_computed(self, child: int, parent: int) -> bool:
        """Whether the child was computed from this parent without training, by the comparison of the two."""
        pairs = self._pairs
        found = pairs.either(child, parent)[0]
        relation = found.relation
        if relation == Relation.DISGUISED and self._field.kin[child]:
            return False  # every disguise of the source holds exact copies of these units
        if pairs.direction(child, parent) != Direction.CHILD:
            return False
        if pairs.certain_direction(child, parent) == Direction.CHILD:
            return True
        if relation.is_lossy and any(cue.name == "computable" for cue in found.cues):
            return True
        if relation != Relation.EXPERT_UPCYCLED:
            return False
        # Noise may have been added to experts when they were copied from an MLP: all other matrices are unchanged then.
        alike = (held for _, held in pairs.alike(child, parent))
        others = [held for held in alike if expert_of(held.a) is None and expert_of(held.b) is None]
        return all((held.r or 0.0) > _EXACT for held in others)

    def _across(self, foreign: Iterable[Arc]) -> list[Arc]:
        return list(across(foreign, self._pairs, self._field.kin, self._field.first, self._merged))

    def _kept(self, prices: Mapping[tuple[int, int], float]) -> list[Arc]:
        """The arcs of models with one settled parent, at their present cost, or `_KEPT` if not candidates now."""
        settled = {child: parents for child, parents in self._field.settled.items() if child in self._place}
        single = [(parents[0], child) for child, parents in settled.items() if parents and len(parents) == 1]
        return [Arc(*ends, prices.get(ends, _KEPT)) for ends in single]

    def _costs(self, found: Points) -> Points:
        """What every arc costs at prices (..., arcs)."""
        costs = found + self._small + self._surcharges
        costs[..., self._is_told & ~self._is_computed & self._has_computed()[self._children]] = np.inf
        return costs

    def _has_computed(self) -> NDArray[np.bool_]:
        """Which members can be computed from another one, by the comparisons so far."""
        computed = self._is_computed & np.isfinite(self._found + self._surcharges)
        found = np.zeros(len(self._place), bool)
        found[self._children[computed]] = True
        return found
