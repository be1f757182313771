"""`lineage/graph/1`: unknown is null, no key is ever missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lineage.report.facts import fact_values
from lineage.report.figures import finite
from lineage.report.kinship import families
from lineage.report.words import texts
from lineage.types import Edge, Lineage, Node


def document(lineage: Lineage) -> dict[str, Any]:
    """The graph as a JSON value; `family` numbers the sets that measured edges connect, the largest 1."""
    names = {node.id: node.name for node in lineage.nodes}
    family = {node.id: number for number, nodes in enumerate(families(lineage), 1) for node in nodes}
    return {
        "schema": "lineage/graph/1",
        "about": lineage.about,
        "nodes": [{**node_value(node), "family": family[node.id]} for node in lineage.nodes],
        "edges": [edge_value(edge, names) for edge in lineage.edges],
        "contradictions": texts(lineage.contradictions),
        "contradiction_facts": fact_values(lineage.contradictions),
    }


def node_value(node: Node) -> dict[str, Any]:
    """One node."""
    return {
        "id": node.id,
        "name": node.name,
        "params": node.params,
        "aliases": list(node.aliases),
        "observed": node.observed,
        "licence": node.licence,
        "root": node.root,
        "copies": list(node.copies),
        "address": node.address,
        "files": [{"name": name, "sha256": digest} for name, digest in node.files],
        "weights_seen": node.weights_seen if node.observed else None,
    }


def edge_value(edge: Edge, names: Mapping[str, str]) -> dict[str, Any]:
    """One edge; `names` has the name of each node id."""
    return {
        "parent": edge.parent,
        "parent_name": names[edge.parent],
        "child": edge.child,
        "child_name": names[edge.child],
        "relation": edge.relation,
        "directed": edge.directed,
        "source": edge.source,
        "component": edge.component,
        "share": _share(edge.share),
        "weight": finite(edge.weight),
        "r": finite(edge.r),
        "z": finite(edge.z),
        "log10_p": finite(edge.log10_p),
        "confidence": _share(edge.confidence),
        "basis": texts(edge.basis),
        "basis_facts": fact_values(edge.basis),
        "layer_map": None if edge.layer_map is None else [list(pair) for pair in edge.layer_map],
    }


def _share(value: float | None) -> float | None:
    """A number from 0 to 1, however the sums behind it were rounded."""
    known = finite(value)
    return None if known is None else min(1.0, max(0.0, known))


def render(lineage: Lineage) -> bytes:
    """ASCII JSON, indented by two."""
    return (json.dumps(document(lineage), indent=2, allow_nan=False) + "\n").encode("ascii")
