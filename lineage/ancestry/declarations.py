"""What cards and configs say about parents, kept apart from what the weights say and held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import networkx as nx

from lineage.ancestry.pair.cues import bare_name
from lineage.sketch.adapters import is_adapter
from lineage.types import Edge, Lineage, ModelRecord


def declarations(
    measured: Lineage, groups: Sequence[Sequence[ModelRecord]]
) -> tuple[tuple[Edge, ...], tuple[str, ...]]:
    """Declared edges between nodes of the graph, and one line for each that the weights contradict.

    Each group is one node, named after its first record. A declared parent is contradicted if no measured path joins
    the two, or if every path runs the other way.
    """
    related: nx.Graph[str] = nx.Graph((e.parent, e.child) for e in measured.edges)
    directed: nx.DiGraph[str] = nx.DiGraph((e.parent, e.child) for e in measured.edges if e.directed)
    related.add_nodes_from(group[0].id for group in groups)
    directed.add_nodes_from(group[0].id for group in groups)
    named: dict[str, dict[str, None]] = defaultdict(dict)
    for group in groups:
        for copy in group:
            named[bare_name(copy.name)][group[0].id] = None
    adapters = {group[0].id for group in groups if is_adapter(group[0])}
    edges: list[Edge] = []
    lines: list[str] = []
    for group in groups:
        child = group[0].id
        for fact in dict.fromkeys(fact for copy in group for fact in copy.declared):
            for parent in named.get(bare_name(fact.model), ()):
                if parent == child:
                    continue
                edges.append(Edge(parent, child, "inconclusive", True, "declared", basis=(fact.source,)))
                if adapters & {parent, child}:
                    continue  # these have no place among weights that could contradict it
                said = f"{group[0].name} declares {fact.model} ({fact.source})"
                if not nx.has_path(related, parent, child):
                    lines.append(f"{said}: the weights show no relation")
                elif nx.has_path(directed, child, parent):
                    lines.append(f"{said}: the weights point the other way")
    return tuple(edges), tuple(lines)
