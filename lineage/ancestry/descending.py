"""Descendants of one model in a graph: the certain and the possible ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineage.types import Descendant, Edge, Lineage, Node

Step = tuple[str, Edge]


def below(lineage: Lineage, model: str) -> tuple[tuple[Descendant, ...], tuple[Descendant, ...]]:
    """Descendants of `model` (a node id) by measured, directed edges, and possible ones by undirected edges too.

    A model that has one component from `model` cannot pass on another: a path ends when its edges have no component in
    common. Known ancestors of the model are in neither list, nor are parents that no index holds.
    """
    measured = [edge for edge in lineage.edges if edge.source == "measured"]
    directed = [edge for edge in measured if edge.directed]
    open_ones = [edge for edge in measured if not edge.directed and edge.relation.inherits]
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
    """A path of edges, and the components that were passed along all of them; None for the whole model."""

    edges: tuple[Edge, ...]
    carried: frozenset[str] | None

    def on(self, edge: Edge) -> _Way | None:
        """The path with one more edge, or None if no component is passed on."""
        given = None if edge.component is None else frozenset(edge.component.split(", "))
        carried = given if self.carried is None else self.carried if given is None else self.carried & given
        return None if carried == frozenset() else _Way((*self.edges, edge), carried)

    @property
    def probability(self) -> float | None:
        """The probability that all edges are right; None if some edge has no probability or no direction."""
        product = 1.0
        for edge in self.edges:
            if edge.confidence is None or not edge.directed:
                return None
            product *= edge.confidence
        return product


def _ways(start: str, steps: Iterable[tuple[str, str, Edge]], without: Collection[str]) -> Mapping[str, Sequence[_Way]]:
    """Paths from `start` to each node: the shortest first, then the likeliest; others only if they add components."""
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
    """Whether a path passes components on that the known paths to the same node do not."""
    if way.carried is None:
        return all(one.carried is not None for one in known)
    return all(one.carried is not None for one in known) and not way.carried <= frozenset().union(
        *(one.carried or () for one in known)
    )


def _told(found: Mapping[str, Sequence[_Way]], nodes: Mapping[str, Node]) -> Iterator[Descendant]:
    """The descendants that an index holds, sorted by distance, then by name."""
    observed = [(nodes[end], ways) for end, ways in found.items() if nodes[end].observed]
    for node, ways in sorted(observed, key=lambda one: (len(one[1][0].edges), one[0].name, one[0].id)):
        parts = [way.carried for way in ways]
        carried = frozenset().union(*(part for part in parts if part is not None))
        components = None if None in parts else tuple(sorted(carried))
        yield Descendant(node, ways[0].edges, components, ways[0].probability)
