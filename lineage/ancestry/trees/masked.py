"""The place of models that are known in disguise only, among relatives whose own order may be open.

Such a model hangs on the relative that is nearest to it. Whether it descends from that one or from what that one was
made of is seen by the neurons that it shares with both, but only once it is known which of two relatives was made of
the other: each possible root of the others' tree gives a place, with the probability of that root.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineage.ancestry.links import Lines, joined, outward
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.rooting import OPPOSED, around, root_odds
from lineage.ancestry.trees.triples import IsSibling, above, raised

_LIKELY = 0.5  # probability of a movement's being held from which a model is a child of what moved
_UNLIKELY = 0.02  # probability of a root that is not asked
_AS_FAR = 0.25  # of the squared length of a movement: one half as long

Places = Sequence[tuple[int, float]]
"""Parents of a model and how likely each is, in any unit; a parent may be there more than once."""


@dataclass(frozen=True, slots=True)
class Masked:
    """Models that hang on one relative, in disguise, without any undisguised kin.

    `merged` are the merges and their parents, `begun` pairs of a base and a model trained from it. `odds` are those of
    the roots of trees that were asked about: most draws of a bootstrap give a few trees.
    """

    field: Field
    merged: Mapping[int, Sequence[int]]
    begun: Collection[tuple[int, int]]
    odds: dict[tuple[tuple[int, int], ...], Mapping[int, float]] = dataclasses.field(default_factory=dict)

    def models(self, forest: Tree) -> list[tuple[int, int]]:
        """These models of a forest, each with its relative."""
        alone = ((model, found[0]) for model, found in sorted(_beside(forest).items()) if len(found) == 1)
        return [ends for ends in alone if self._is_masked(*ends)]

    def places(
        self, model: int, near: int, tree: Tree, fixed: frozenset[int], siblings: Callable[[Tree], IsSibling]
    ) -> Places:
        """Where a model that lies next to `near` belongs, for each likely root of the tree of the others.

        `siblings` makes of a directed tree the test that `lifted` needs; `fixed` is as there.
        """
        others = {child: arc for child, arc in tree.items() if model not in (child, arc.parent)}
        found = []
        for directed, odds in self._directed(others, near):
            start = {**directed, model: Arc(near, model, 0.0)}
            parent = raised(model, start, self.merged, fixed, siblings(directed)).parent
            parent = self._lowered(model, parent, directed, {near, *fixed})
            parent = self._unrivalled(model, parent, directed)
            parent = self._akin(model, near, parent, directed)
            found.append((parent, directed[parent].parent if parent in directed else None, odds))
        beside, known = _beside(others), {parent for parent, _, _ in found}
        # Models of which many are made are likelier to be taken again: of two with the same neurons, the one with kin.
        return [
            (
                parent,
                odds * self._fit(model, parent, set(beside[parent]) - {above}, known) * max(1, len(beside[parent])),
            )
            for parent, above, odds in found
        ]

    def _is_masked(self, model: int, other: int) -> bool:
        field = self.field
        if {model, other} & field.missing.keys() or model in self.merged or field.kin[model]:
            return False
        is_directed = not field.pairs.are_disguised(model, other) or field.pairs.either(model, other)[0].is_directed
        return field.is_open([model, other]) and not is_directed

    def _directed(self, tree: Tree, near: int) -> Iterator[tuple[Tree, float]]:
        """The tree, from each likely root of the part of it that holds a node, with the root's probability."""
        field = self.field
        nodes = next((part for part in joined((a.parent, a.child) for a in tree.values()) if near in part), {near})
        lines = sorted((min(a.parent, a.child), max(a.parent, a.child)) for a in tree.values() if a.child in nodes)
        if not lines or nodes & {*field.first, *self.merged, *field.missing} or not field.are_new(nodes):
            yield tree, 1.0
            return
        rest = {child: arc for child, arc in tree.items() if child not in nodes}
        odds = self._root_odds(lines)
        for root in sorted(odds, key=lambda node: field.sketches[node].id):
            if odds[root] >= _UNLIKELY:
                yield rest | {child: Arc(above, child, 0.0) for above, child in outward(lines, root)}, odds[root]

    def _root_odds(self, lines: Sequence[tuple[int, int]]) -> Mapping[int, float]:
        asked = tuple(lines)
        if asked not in self.odds:
            self.odds[asked] = root_odds(lines, self.field, self.begun)
        return self.odds[asked]

    def _akin(self, model: int, near: int, parent: int, tree: Tree) -> int:
        """The parent, or the first node on the way from it down to `near` that the model is related to.

        A model of several components hangs below others by each of them: by one of these alone nothing descends.
        """
        line = [near, *above(near, tree, self.merged)]
        way = line[line.index(parent) :: -1] if parent in line else [parent]
        field = self.field
        akin = (one for one in way if one in field.missing or field.pairs.are_related(model, one))
        return next(akin, near)

    def _lowered(self, model: int, parent: int, tree: Tree, left: Collection[int]) -> int:
        """The last node down a tree whose movement from the parent the model clearly holds.

        A way down may begin with steps too short to tell, or shared by those that were trained on like data: the whole
        way to a node farther down tells more.
        """
        below = Lines((arc.parent, arc.child) for arc in tree.values())
        seen = {*left}
        while True:
            farther = sorted(below.beyond(parent) - seen) if parent in below else []
            shares = [(one, self.field.held_by_neurons(model, one, parent)) for one in farther]
            held = [(share.odds, -one) for one, share in shares if share is not None and share.is_clear]
            if not held or max(held)[0] <= _LIKELY:
                return parent
            seen.add(parent)
            parent = -max(held)[1]

    def _unrivalled(self, model: int, parent: int, tree: Tree) -> int:
        """The parent, or the nearest node above it from which the model holds the movements of no separate line.

        Long training on like data takes a model along with several that were trained apart: it descends from none.
        """
        line = [parent, *above(parent, tree, self.merged)]
        higher = next((top for top in line[1:] if self._has_rival(model, parent, top, line)), None)
        return parent if higher is None else self._unrivalled(model, higher, tree)

    def _has_rival(self, model: int, parent: int, top: int, line: Collection[int]) -> bool:
        """Whether a model clearly holds from `top` the movement of one that was trained apart from its parent.

        If it moved farther from its parent than that did from `top`: otherwise it has little but its parent's movement.
        """
        field = self.field
        length, beyond = field.correlation(top, parent), field.correlation(model, parent)
        if length is None or beyond is None or beyond >= length:
            return False
        others = (one for one in range(len(field.sketches)) if one not in (model, *line, *field.rounded))
        for one in others:
            own = field.correlation(top, one)
            if own is None or 1.0 - own < _AS_FAR * (1.0 - length) or not field.have_one_structure(one, parent):
                continue
            if self._clearly_holds(model, one, top) and not self._are_one_line(parent, one, top):
                return True
        return False

    def _clearly_holds(self, model: int, other: int, top: int) -> bool:
        share = self.field.held_by_neurons(model, other, top)
        return share is not None and share.is_clear and share.odds > _LIKELY

    def _are_one_line(self, left: int, right: int, top: int) -> bool:
        """Whether one of two models holds the other's movement from `top`."""
        shares = (self.field.held_by_neurons(*two, top) for two in ((left, right), (right, left)))
        return any(share is None or share.odds > _LIKELY for share in shares)

    def _fit(self, model: int, parent: int, around: Collection[int], known: Collection[int]) -> float:
        """How well a model fits among the neighbours of its parent: as a sibling of theirs, which seldom is opposed.

        A place that another root gives (`known`) lies beyond a line of which the model holds the rest from there.
        """
        trained = sorted(one for one in around if one not in self.field.rounded)
        shares = [(one, self.field.held_by_neurons(model, one, parent)) for one in trained]
        is_opposed = any(share is not None and share.is_opposed for _, share in shares)
        fit = math.exp(-OPPOSED) if is_opposed else 1.0
        for one, share in shares:
            if one in known and share is not None and not share.is_whole:
                fit *= share.between_siblings
        return fit


def _beside(tree: Tree) -> Mapping[int, list[int]]:
    return around((child, arc.parent) for child, arc in tree.items())


def likeliest(found: Places) -> int:
    """The likeliest parent."""
    odds: dict[int, float] = defaultdict(float)
    for parent, one in found:
        odds[parent] += one
    return max(sorted(odds), key=lambda parent: odds[parent])


def at_quantile(found: Places, at: float) -> int:
    """The parent at a place between 0 and 1 of the odds of all."""
    left = at * sum(odds for _, odds in found)
    for parent, odds in found:
        left -= odds
        if left <= 0.0:
            return parent
    return found[-1][0]
