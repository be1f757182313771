"""The ancestry graph as a networkx graph, for the formats that networkx writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lineage.report.figures import each_text, plain
from lineage.report.graphs.json import document
from lineage.types import Lineage

if TYPE_CHECKING:
    import networkx as nx

_NO_CHARACTERS = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})
_ELSEWHERE = ("id", "parent", "child", "parent_name", "child_name", "basis_facts")  # what `basis` says in English


def network(lineage: Lineage) -> nx.MultiDiGraph[str]:
    """Nodes by id, edges from parent to child with an attribute `directed`; what is unknown has no attribute.

    Lists are JSON in one string; characters that XML cannot hold are written as escapes.
    """
    import networkx as nx

    value = document(lineage)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node in value["nodes"]:
        graph.add_node(node["id"], **_attributes(node))
    for edge in value["edges"]:
        graph.add_edge(edge["parent"], edge["child"], **_attributes(edge))
    return graph


def xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 forbids (section 2.2) or that would reorder a line."""
    return plain(text).translate(_NO_CHARACTERS)


def _attributes(value: dict[str, Any]) -> dict[str, str | int | float | bool]:
    return {key: _attribute(one) for key, one in value.items() if one is not None and key not in _ELSEWHERE}


def _attribute(value: Any) -> str | int | float | bool:
    if isinstance(value, list):
        return json.dumps(each_text(value, xml_text), ensure_ascii=False)
    if isinstance(value, str):
        return xml_text(value)
    assert isinstance(value, (bool, int, float))
    return value
