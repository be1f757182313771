"""Parents declared by cards and configs: separate edges, checked against the measured graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import networkx as nx

from lineage.ancestry.pair.cues import bare_name
from lineage.sketch.adapters import is_adapter
from lineage.types import Edge, Lineage, ModelRecord, Relation
from lineage.types.facts.descent import Contradiction, DeclaredReversed, DeclaredUnrelated, NamedIn


def declarations(
    measured: Lineage, groups: Sequence[Sequence[ModelRecord]]
) -> tuple[tuple[Edge, ...], tuple[Contradiction, ...]]:
    """Declared edges between nodes of the graph, and a fact for each that the weights contradict.

    Each group is one node, identified by its first record. A declared parent is contradicted if no measured path joins
    the two, or if a directed path leads from the child to it.
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
    against: list[Contradiction] = []
    for group in groups:
        child = group[0].id
        for fact in dict.fromkeys(fact for copy in group for fact in copy.declared):
            for parent in named.get(bare_name(fact.model), ()):
                if parent == child:
                    continue
                edges.append(
                    Edge(parent, child, Relation.INCONCLUSIVE, True, "declared", basis=(NamedIn(fact.source),))
                )
                if adapters & {parent, child}:
                    continue  # adapters have no measured edges that could contradict it
                told = (child, parent, group[0].name, fact.model, fact.source)
                if not nx.has_path(related, parent, child):
                    against.append(DeclaredUnrelated(*told))
                elif nx.has_path(directed, child, parent):
                    against.append(DeclaredReversed(*told))
    return tuple(edges), tuple(against)
