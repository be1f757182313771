"""GraphML (graphml.graphdrawing.org), for yEd, Gephi, Cytoscape, networkx and igraph."""

from __future__ import annotations

from lineage.report.graphs.network import network
from lineage.types import Lineage


def render(lineage: Lineage) -> bytes:
    """The whole graph; networkx reads back the same nodes, edges and attributes."""
    import networkx as nx

    lines = nx.generate_graphml(network(lineage), named_key_ids=True, edge_id_from_attribute=None)
    return ("\n".join(["<?xml version='1.0' encoding='utf-8'?>", *lines]) + "\n").encode("utf-8")
