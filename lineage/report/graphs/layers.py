"""Generations: the column of each model, and the route of each edge through the columns between its ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from lineage.types import Edge, Node

if TYPE_CHECKING:
    import networkx as nx

_MOST_STOPS = 50_000

Slot = str | tuple[str, str, int]
"""A place in a column: a node's id, or the stop of a long edge (its ends and the column)."""


@dataclass(frozen=True, slots=True)
class Layered:
    """Columns of slots from the oldest generation on, and each pair's way from its left to its right end.

    `ways` has one entry for any two nodes with an edge between them, by (left, right) id; two nodes of the same
    column have a way of these two alone.
    """

    columns: tuple[tuple[Slot, ...], ...]
    ways: Mapping[tuple[str, str], tuple[Slot, ...]]

    def links(self) -> list[tuple[Slot, Slot]]:
        """Neighbouring slots of all ways that lead to another column."""
        place = {slot: i for i, column in enumerate(self.columns) for slot in column}
        steps = {step for way in self.ways.values() for step in pairwise(way)}
        return sorted((step for step in steps if place[step[0]] != place[step[1]]), key=str)


def layered(nodes: Sequence[Node], edges: Sequence[Edge]) -> Layered:
    """Columns for one connected set of nodes: every child of a measured parent stands right of it.

    Longest paths from the roots, as in Sugiyama et al. 1981. A declared edge moves a node unless it contradicts
    a measured one; an undirected edge keeps both ends level where nothing else decides.
    """
    rank = generations([node.id for node in nodes], edges)
    ways = _ways(rank, edges)
    columns: list[list[Slot]] = [[] for _ in range(max(rank.values()) + 1)]
    for node in sorted(nodes, key=lambda node: (node.name, node.id)):
        columns[rank[node.id]].append(node.id)
    for way in ways.values():
        for stop in way[1:-1]:
            assert isinstance(stop, tuple)
            columns[stop[2]].append(stop)
    return Layered(tuple(map(tuple, columns)), ways)


def generations(nodes: Iterable[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Column of each node of a connected set, from 0."""
    import networkx as nx

    ordered = sorted(edges, key=lambda edge: (edge.source != "measured", edge.parent, edge.child))
    descent = _acyclic(sorted(nodes), [(e.parent, e.child) for e in ordered if e.directed and e.parent != e.child])
    rank: dict[str, int] = {}
    for node in nx.topological_sort(descent):
        rank[node] = max((rank[parent] + 1 for parent in descent.predecessors(node)), default=0)
    _level(rank, descent, [(edge.parent, edge.child) for edge in ordered if not edge.directed])
    first = min(rank.values())
    return {node: column - first for node, column in rank.items()}


def _acyclic(nodes: Sequence[str], arrows: Sequence[tuple[str, str]]) -> nx.DiGraph[str]:
    """The arrows as a graph without cycles; an arrow that would close one is left out, so order is precedence."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(arrows)
    if nx.is_directed_acyclic_graph(graph):
        return graph
    graph.remove_edges_from(list(graph.edges))
    for parent, child in arrows:
        if not nx.has_path(graph, child, parent):
            graph.add_edge(parent, child)
    return graph


def _level(rank: dict[str, int], descent: nx.DiGraph[str], ties: Sequence[tuple[str, str]]) -> None:
    """Move whole lines of descent so that those which only a tie connects stand level with their relative."""
    import networkx as nx

    lines = sorted(map(sorted, nx.weakly_connected_components(descent)), key=lambda line: (-len(line), line))
    line_of = {node: i for i, line in enumerate(lines) for node in line}
    tied: dict[int, list[tuple[str, str]]] = {}
    for a, b in ties:
        tied.setdefault(line_of[a], []).append((a, b))
        tied.setdefault(line_of[b], []).append((b, a))
    placed: set[int] = set()
    for start in range(len(lines)):
        waiting = [start] if start not in placed else []
        placed.add(start)
        for line in waiting:
            for here, there in tied.get(line, ()):
                if line_of[there] not in placed:
                    placed.add(line_of[there])
                    waiting.append(line_of[there])
                    shift = rank[here] - rank[there]
                    for node in lines[line_of[there]]:
                        rank[node] += shift


def _ways(rank: Mapping[str, int], edges: Iterable[Edge]) -> dict[tuple[str, str], tuple[Slot, ...]]:
    pairs = sorted({_from_left(edge, rank) for edge in edges if edge.parent != edge.child})
    stops = sum(max(0, rank[right] - rank[left] - 1) for left, right in pairs)
    if stops > _MOST_STOPS:  # then a long edge crosses the columns between as it comes
        return {pair: pair for pair in pairs}
    return {
        (left, right): (left, *((left, right, column) for column in range(rank[left] + 1, rank[right])), right)
        for left, right in pairs
    }


def _from_left(edge: Edge, rank: Mapping[str, int]) -> tuple[str, str]:
    """The ends of an edge, the older column first, then the lesser id."""
    ends = (edge.parent, edge.child)
    if rank[edge.parent] == rank[edge.child]:
        return ends if ends[0] < ends[1] else (ends[1], ends[0])
    return ends if rank[edge.parent] < rank[edge.child] else (ends[1], ends[0])
