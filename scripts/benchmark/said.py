"""The measured edges of a graph, and whether each is right."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from benchmark.truth import Ends, TrueEdge, Truth
from lineage.types import Edge, Lineage

Said = dict[Ends, Edge]


def said_edges(found: Lineage) -> Said:
    """Measured edges by (parent, child); of several components' edges between two models the one with most weights."""
    said: Said = {}
    for edge in found.edges:
        ends = edge.parent, edge.child
        if edge.source == "measured" and (ends not in said or (edge.share or 0.0) > (said[ends].share or 0.0)):
            said[ends] = edge
    return said


def is_word(edge: Edge, true: TrueEdge) -> bool:
    """Whether the edge's word is the expected one or one that is not wrong either."""
    return edge.relation == true["relation"] or edge.relation in true["accept"]


def is_joined(edge: Edge, truth: Truth) -> bool:
    """Whether its two models are joined in truth, either way round."""
    return (edge.parent, edge.child) in truth.edges or (edge.child, edge.parent) in truth.edges


def is_right(edge: Edge, truth: Truth) -> bool:
    """Whether models, direction and word are right."""
    true = truth.edges.get((edge.parent, edge.child))
    return true is not None and edge.directed and is_word(edge, true)


def has_parent(said: Said, ends: Ends) -> bool:
    """Whether a true edge was found and points the true way."""
    return ends in said and said[ends].directed


def families(said: Said, nodes: Sequence[str]) -> dict[str, int]:
    """Number of the connected part that each node lies in."""
    joined: nx.Graph[str] = nx.Graph(list(said))
    joined.add_nodes_from(nodes)
    parts = {node: k for k, part in enumerate(nx.connected_components(joined)) for node in part}
    return {node: parts[node] for node in nodes}
