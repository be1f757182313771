"""GEXF 1.2 (gexf.net), for Gephi."""

from __future__ import annotations

from lineage.report.graphs.network import network
from lineage.types import Lineage


def render(lineage: Lineage) -> bytes:
    """The whole graph, without a date, so that equal graphs give equal files.

    All edges are typed directed, as networkx cannot read mixed graphs; the attribute `directed` says which are.
    """
    from networkx.readwrite.gexf import GEXFWriter

    graph = network(lineage)
    for _, attributes in graph.nodes(data=True):
        attributes["label"] = attributes.pop("name")
    for _, _, attributes in graph.edges(data=True):
        attributes["label"] = attributes["relation"]
    writer = GEXFWriter(graph, version="1.2draft")
    writer.xml.remove(writer.xml.find("meta"))
    return f"<?xml version='1.0' encoding='utf-8'?>\n{writer}\n".encode()
