"""The way down from one model of a graph: what comes from it, and what may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineage.types import Descendant, Edge, Lineage, Node, Relation

_APART: tuple[Relation, ...] = ("shared-init", "sibling", "inconclusive")  # without a direction these lead nowhere

Step = tuple[str, Edge]


def below(lineage: Lineage, model: str) -> tuple[tuple[Descendant, ...], tuple[Descendant, ...]]:
    """What descends from `model` (a node id) by measured, directed edges, and what may by some that have no direction.

    Who has one component from a model passes no other one on: a way ends where its edges are about different ones. What
    is known to be above the model is in neither list, nor is a parent that no index holds.
    """
    measured = [edge for edge in lineage.edges if edge.source == "measured"]
    directed = [edge for edge in measured if edge.directed]
    open_ones = [edge for edge in measured if not edge.directed and edge.relation not in _APART]
    down = [(edge.parent, edge.child, edge) for edge in directed]
    across = [ends for edge in open_ones for ends in ((edge.parent, edge.child, edge), (edge.child, edge.parent, edge))]
    under = _ways(model, down, ())
    above = _ways(model, [(edge.child, edge.parent, edge) for edge in directed], ()).keys()
    perhaps = _ways(model, [*down, *across], above - under.keys())
    nodes = {node.id: node for node in lineage.nodes}
    return (
        tuple(_told(under, nodes)),
        tuple(_told({end: ways for end, ways in perhaps.items() if end not in under}, nodes)),
    )


@dataclass(frozen=True)
class _Way:
    """Edges in a row, and the components that came along all of them; None for the whole."""

    edges: tuple[Edge, ...]
    carried: frozenset[str] | None

    def on(self, edge: Edge) -> _Way | None:
        """The way with one more edge, or None where nothing comes through."""
        given = None if edge.component is None else frozenset(edge.component.split(", "))
        carried = given if self.carried is None else self.carried if given is None else self.carried & given
        return None if carried == frozenset() else _Way((*self.edges, edge), carried)

    @property
    def probability(self) -> float | None:
        """That every step is so, as far as each has a probability and a direction."""
        product = 1.0
        for edge in self.edges:
            if edge.confidence is None or not edge.directed:
                return None
            product *= edge.confidence
        return product


def _ways(start: str, steps: Iterable[tuple[str, str, Edge]], without: Collection[str]) -> Mapping[str, Sequence[_Way]]:
    """The ways from `start` to each node: the shortest and of these the surest first, others where they bring more."""
    onward: dict[str, list[Step]] = defaultdict(list)
    for here, there, edge in steps:
        if there not in without:
            onward[here].append((there, edge))
    found: dict[str, list[_Way]] = {}
    reached = [(start, _Way((), None))]
    while reached:
        further = [(there, way) for here, so_far in reached for there, edge in onward[here] if (way := so_far.on(edge))]
        further.sort(key=lambda step: (-(step[1].probability or 0.0), [edge.parent for edge in step[1].edges]))
        reached = []
        for there, way in further:
            if there != start and _brings_more(way, found.get(there, ())):
                found.setdefault(there, []).append(way)
                reached.append((there, way))
    return found


def _brings_more(way: _Way, known: Sequence[_Way]) -> bool:
    """Whether a way brings components that the known ones to the same node do not."""
    if way.carried is None:
        return all(one.carried is not None for one in known)
    return all(one.carried is not None for one in known) and not way.carried <= frozenset().union(
        *(one.carried or () for one in known)
    )


def _told(found: Mapping[str, Sequence[_Way]], nodes: Mapping[str, Node]) -> Iterator[Descendant]:
    """Those that an index holds, the nearest first, then by name."""
    observed = [(nodes[end], ways) for end, ways in found.items() if nodes[end].observed]
    for node, ways in sorted(observed, key=lambda one: (len(one[1][0].edges), one[0].name, one[0].id)):
        parts = [way.carried for way in ways]
        carried = frozenset().union(*(part for part in parts if part is not None))
        components = None if None in parts else tuple(sorted(carried))
        yield Descendant(node, ways[0].edges, components, ways[0].probability)
