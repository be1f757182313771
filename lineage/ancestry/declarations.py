"""What cards and configs say about parents, kept apart from what the weights say and held against it."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from lineage.ancestry.direction import same_name
from lineage.types import CheckpointSketch, Edge, Lineage


def declarations(
    measured: Lineage, groups: Sequence[Sequence[CheckpointSketch]]
) -> tuple[tuple[Edge, ...], tuple[str, ...]]:
    """Declared edges between models of the graph, and one line for each that the weights contradict.

    A declared parent is contradicted if no measured path joins the two, or if every path runs the other way.
    """
    related: nx.Graph[str] = nx.Graph((e.parent, e.child) for e in measured.edges)
    directed: nx.DiGraph[str] = nx.DiGraph((e.parent, e.child) for e in measured.edges if e.directed)
    related.add_nodes_from(n.id for n in measured.nodes)
    directed.add_nodes_from(n.id for n in measured.nodes)
    edges: list[Edge] = []
    lines: list[str] = []
    for group in groups:
        for fact in dict.fromkeys(fact for copy in group for fact in copy.declared):
            for other in groups:
                if other is group or not any(same_name(fact.model, copy.name) for copy in other):
                    continue
                parent, child = other[0].id, group[0].id
                edges.append(Edge(parent, child, "inconclusive", True, "declared", basis=(fact.source,)))
                said = f"{group[0].name} declares {fact.model} ({fact.source})"
                if not nx.has_path(related, parent, child):
                    lines.append(f"{said}: the weights show no relation")
                elif nx.has_path(directed, child, parent):
                    lines.append(f"{said}: the weights point the other way")
    return tuple(edges), tuple(lines)
