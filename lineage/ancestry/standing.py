"""The place of one model in the tree of its neighbourhood: its edges there, and the relatives they lead to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.ancestry.folding import fold
from lineage.ancestry.layouts import in_one_layout
from lineage.ancestry.links import joined
from lineage.ancestry.pair.comparison import compare
from lineage.ancestry.trees.edges import UNOBSERVED, going_together, measured_edges, rivals
from lineage.ancestry.trees.roundings import is_rounded
from lineage.ancestry.trees.search import Search
from lineage.sketch.layouts import names_of
from lineage.types import Between, CheckpointSketch, Comparison, Edge, Place, Relation, Relative
from lineage.types.facts.descent import CopyOfUnknown
from lineage.types.relations import EITHER_WAY

Made = tuple[CheckpointSketch, Comparison]
_MOST = 64  # relatives of each kind: larger families are shown by the graph
# Probability that an open neighbour is the parent, as a linear function of the share of resampled trees in which it is:
# the line that best fits the calibration half of the practice zoo.
_OPEN = 0.1
_OPEN_BY_CHOICE = 0.65
_SOURCE = 0.9  # 31 of 34 rounded models without a known source had none among the models known: scaled before (AWQ)


@dataclass(frozen=True)
class Standing:
    """A model's place, and the comparisons with its neighbours in the tree by their ids.

    `read` are the neighbours as they were compared: in the model's own layout, if copies show a translation.
    """

    place: Place
    compared: Mapping[str, Comparison]
    read: Mapping[str, CheckpointSketch]


def standing(
    query: CheckpointSketch,
    others: Sequence[Sequence[CheckpointSketch]],
    made: Mapping[str, Made],
    *,
    is_whole: bool = True,
) -> Standing:
    """Place `query` among models that it may be related to, each in all its layouts.

    `made` are earlier comparisons with some of them, by id, with the layout that was compared; `is_whole` says whether
    `others` are the whole family as far as it is known. The result does not depend on the order of `others`.
    """
    groups = fold([query, *(one for layouts in sorted(others, key=lambda them: them[0].id) for one in layouts)])
    laid = in_one_layout(groups, like=query)
    sketches = [replace(sketch, declared=()) for sketch in laid]
    search = Search(sketches, about=0, is_whole=is_whole)
    if not query.declared:  # the tree does not use declarations of cards
        told = [(i, one, *made[one.id]) for i, one in enumerate(laid) if one.id in made and not one.declared]
        search.field.pairs.keep({(0, i): held for i, one, seen, held in told if names_of(one) == names_of(seen)})
    edges = tuple(measured_edges(search))
    if search.look_again(_beside(search) | going_together(search)):
        edges = tuple(measured_edges(search))
    names = {sketch.id: sketch.name for sketch in sketches}
    chosen = {sketches[p].id: n for (p, c), n in search.forest[1].items() if c == 0 and p < len(sketches)}
    kin = _Kin(query.id, edges, names, chosen, {sketch.id for sketch in sketches if is_rounded(sketch)})
    perhaps = tuple(rivals(search, 0)) if kin.is_open else ()
    place = kin.place(perhaps)
    beside = [edge for edge in (*edges, *perhaps) if query.id in (edge.parent, edge.child)]
    near = [e.child if e.parent == query.id else e.parent for e in beside]
    found = {one.id: Relative(one.id, one.name, _copied(query, one, made), 1.0) for one in groups[0][1:]}
    copies = sorted(found.values(), key=lambda copy: (copy.model != query.id, copy.relation != Relation.IDENTICAL))
    number = {sketch.id: i for i, sketch in enumerate(sketches)}
    compared = {
        model: _said(search.field.pairs.compared(0, number[model]), edge)
        for model, edge in zip(near, beside, strict=True)
        if model in number
    }
    read = {model: laid[number[model]] for model in compared}
    return Standing(replace(place, copies=tuple(copies)), compared, read)


def _beside(search: Search) -> set[int]:
    """The neighbours of the query in the tree, and those that it has over resampled tensors."""
    tree, support = search.forest
    lines = [*((arc.parent, arc.child) for arc in tree.values()), *support]
    return {one for ends in lines if 0 in ends for one in ends} - {0}


def _copied(query: CheckpointSketch, copy: CheckpointSketch, made: Mapping[str, Made]) -> Relation:
    """The relation of a copy to a model: the same tensors, or the same weights stored in another way."""
    return (made[copy.id][1] if copy.id in made else compare(query, copy)).relation


def _said(found: Comparison, edge: Edge) -> Comparison:
    """A comparison with the relation of its edge: the tree knows which of two quantized models was trained."""
    if edge.component is not None or edge.relation in (found.relation, Relation.MERGED):
        return found
    parts = (
        replace(part, relation=edge.relation) if part.relation == found.relation else part for part in found.components
    )
    return replace(found, relation=edge.relation, components=tuple(parts))


class _Kin:
    """The relatives of one model in a graph's edges; each is listed once, by the first and shortest path.

    `chosen` is the share of resampled trees in which each model is its parent, 0..1; `rounded` are the models whose
    weights lie on few levels.
    """

    def __init__(
        self,
        own: str,
        edges: Sequence[Edge],
        names: Mapping[str, str],
        chosen: Mapping[str, float],
        rounded: Collection[str],
    ) -> None:
        self._own, self._names, self._chosen = own, names, chosen
        self._family = len(joined(((edge.parent, edge.child) for edge in edges), [own])[0])
        self._seen = {own}
        self._above: dict[str, list[Edge]] = defaultdict(list)
        self._below: dict[str, list[Edge]] = defaultdict(list)
        self._open: list[Edge] = []
        for edge in edges:
            if edge.directed:
                self._above[edge.child].append(edge)
                self._below[edge.parent].append(edge)
            elif own in (edge.parent, edge.child) and edge.relation != Relation.INCONCLUSIVE:
                self._open.append(edge)
        self._sourceless = {model for model in rounded if not self._above[model]}

    @property
    def is_open(self) -> bool:
        """Whether the model has no known parent, and has neighbours in an open direction."""
        return not self._above[self._own] and any(edge.relation != Relation.SHARED_INIT for edge in self._open)

    def place(self, rivals: Sequence[Edge]) -> Place:
        """The place; `rivals` are further possible neighbours, added to those in an open direction."""
        parents = tuple(self._relatives(self._above[self._own], up=True))
        beside = [edge for edge in self._open if edge.relation != Relation.SHARED_INIT]
        open_ = [*self._relatives(beside, up=None)]
        begun = tuple(self._relatives([edge for edge in self._open if edge.relation == Relation.SHARED_INIT], up=None))
        descendants = self._followed(up=False)
        ancestors = self._followed(up=True)
        siblings = self._siblings()
        open_ += self._relatives(rivals, up=None)
        likely = self._likely(open_, [*beside, *rivals])
        missing = tuple(self._unobserved([one.model for one in likely]))
        return Place(parents, ancestors, descendants, (*siblings, *begun), (), likely, missing)

    def _likely(self, found: Sequence[Relative], edges: Sequence[Edge]) -> tuple[Relative, ...]:
        """Neighbours in an open direction with the probability that each is the parent, exact copies first.

        The others follow by probability. On a tie, the parent in the oriented tree comes first, then the nearest model;
        neighbours that share a component only are not counted as near.
        """
        above = {edge.parent for edge in edges}
        whole = [edge for edge in edges if edge.relation != Relation.COMPONENT_REUSED]
        near = {model: edge.r or 0.0 for edge in whole for model in (edge.parent, edge.child)}
        chosen = [(self._chosen.get(one.model, 0.0), one) for one in found]
        chosen.sort(
            key=lambda of: (not of[1].relation.is_exact, -of[0], of[1].model not in above, -near.get(of[1].model, 0.0))
        )
        # Any model of the family may be the root, so no probability is below one in the family's size.
        least = 1.0 / max(2, self._family)
        odds = ((min(1.0 - least, max(least, _OPEN + _OPEN_BY_CHOICE * share)), one) for share, one in chosen)
        return tuple(replace(one, probability=probability) for probability, one in odds)

    def _relatives(self, edges: Sequence[Edge], up: bool | None, through: str | None = None) -> Iterator[Relative]:
        for edge in edges:
            other = edge.parent if up or (up is None and edge.child == self._own) else edge.child
            if other in self._seen or other not in self._names:
                continue
            self._seen.add(other)
            yield Relative(
                other,
                self._names[other],
                edge.relation,
                _probability(edge) if up is not None else EITHER_WAY,
                tuple(edge.component.split(", ")) if edge.component else (),
                edge.weight,
                through,
                edge.basis,
            )

    def _followed(self, *, up: bool) -> tuple[Relative, ...]:
        """The ancestors beyond the direct parents (`up`), or all descendants, the nearest first."""
        beside, found = (self._above if up else self._below), list[Relative]()
        waiting = [(edge, _probability(edge)) for edge in beside[self._own]]
        if not up:
            found += self._relatives(beside[self._own], up=False)
        for edge, probability in waiting:  # grows during the loop
            here = edge.parent if up else edge.child
            for one in self._relatives(beside[here], up=up, through=here if here in self._names else None):
                found.append(replace(one, probability=one.probability * probability))
            if len(waiting) < _MOST:
                known = {id(edge) for edge, _ in waiting}
                waiting += [(e, probability * _probability(e)) for e in beside[here] if id(e) not in known]
        return tuple(found[:_MOST])

    def _siblings(self) -> tuple[Relative, ...]:
        """Other children of the parents, including parents that no index holds; edges of merges are skipped."""
        found: list[Relative] = []
        for edge in self._above[self._own]:
            if edge.relation == Relation.MERGED:
                continue
            through = edge.parent if edge.parent in self._names else None
            others = [one for one in self._below[edge.parent] if one.relation != Relation.MERGED]
            found += [
                replace(one, relation=Relation.SIBLING, probability=one.probability * _probability(edge))
                for one in self._relatives(others, up=False, through=through)
            ]
        return tuple(found[:_MOST])

    def _unobserved(self, beside: Sequence[str]) -> Iterator[Between]:
        """Parents that no index holds: inferred ones, and the sources of rounded models among those `beside` it.

        Every way to a rounded model leads through its source.
        """
        for edge in self._above[self._own]:
            if edge.parent.startswith(UNOBSERVED):
                ends = [*(e.parent for e in self._above[edge.parent]), *(e.child for e in self._below[edge.parent])]
                yield Between(tuple(end for end in ends if end in self._names), _probability(edge))
        for copy in beside:
            if copy in self._sourceless:
                yield Between((copy, self._own), _SOURCE, (CopyOfUnknown(self._names[copy]),))
        if self._own in self._sourceless and beside:
            yield Between((self._own, beside[0]), _SOURCE, (CopyOfUnknown(self._names[self._own]),))


def _probability(edge: Edge) -> float:
    return 1.0 if edge.confidence is None else edge.confidence
