"""CycloneDX ML-BOM (ECMA-424; cyclonedx.org/docs), as plain JSON.

A model is a component; a directed edge is an ancestor in the pedigree of the child, an undirected one a variant at both
ends. Such an entry names its model by the property `lineage:model` (its bom-ref) and has the edge's facts beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineage import __version__
from lineage.report.bom import packages
from lineage.report.bom.statement import date, edge_facts, identifier, node_facts, rendered, statement
from lineage.types import Lineage, Relation

Json = dict[str, Any]


def render_1_6(lineage: Lineage) -> bytes:
    """A bill of materials of CycloneDX 1.6."""
    return rendered(_bom(lineage, "1.6"))


def render_1_7(lineage: Lineage) -> bytes:
    """The same, as CycloneDX 1.7."""
    return rendered(_bom(lineage, "1.7"))


def _bom(lineage: Lineage, version: str) -> Json:
    said = statement(lineage)
    nodes = {node["id"]: node for node in said["nodes"]}
    ancestors: dict[str, list[Json]] = {}
    variants: dict[str, list[Json]] = {}
    for edge in said["edges"]:
        parent, child = edge["parent"], edge["child"]
        if edge["directed"]:
            ancestors.setdefault(child, []).append(_relative(nodes[parent], edge))
        else:
            variants.setdefault(child, []).append(_relative(nodes[parent], edge))
            variants.setdefault(parent, []).append(_relative(nodes[child], edge))
    models = {key: _model(node, ancestors.get(key, ()), variants.get(key, ())) for key, node in nodes.items()}
    tool = {"type": "application", "name": "lineage", "version": __version__}
    metadata: Json = {"tools": {"components": [tool]}}
    if said["about"] is not None:
        metadata["component"] = models.pop(said["about"])
    if (made := date()) is not None:
        metadata["timestamp"] = made
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": identifier(said).urn,
        "version": 1,
        "metadata": metadata,
        "components": list(models.values()),
        "properties": _properties([("lineage:contradiction", line) for line in said["contradictions"]]),
    }


def _model(node: Json, ancestors: Sequence[Json], variants: Sequence[Json]) -> Json:
    model = _named(node) | {"bom-ref": node["id"], "modelCard": {"properties": _properties(node_facts(node))}}
    if node["licence"]:
        model["licenses"] = [_licence(node["licence"])]
    pedigree = {"ancestors": list(ancestors), "variants": list(variants)}
    if any(pedigree.values()):
        model["pedigree"] = {kind: relatives for kind, relatives in pedigree.items() if relatives}
    if node["files"]:
        model["components"] = [_file(file) for file in node["files"]]
    if (url := packages.url(node["address"])) is not None:
        model["externalReferences"] = [{"type": "distribution", "url": url}]
    return model


def _relative(node: Json, edge: Json) -> Json:
    relative = _named(node) | {"properties": _properties([("lineage:model", node["id"]), *edge_facts(edge)])}
    if edge["source"] == "measured" and edge["confidence"] is not None:
        relative["evidence"] = {"identity": [_identity(relative, edge)]}
    return relative


def _identity(relative: Mapping[str, Any], edge: Json) -> Json:
    """The confidence that the relative is this model, and the method."""
    field = "purl" if "purl" in relative else "name"
    figures = ", ".join(f"{key} {edge[key]}" for key in ("r", "z", "log10_p") if edge[key] is not None)
    method = {
        "technique": "hash-comparison" if edge["relation"] == Relation.IDENTICAL else "binary-analysis",
        "confidence": edge["confidence"],
        "value": figures or edge["relation"],
    }
    return {
        "field": field,
        "concludedValue": relative[field],
        "confidence": edge["confidence"],
        "methods": [method],
    }


def _named(node: Json) -> Json:
    facts = {
        "type": "machine-learning-model",
        "name": node["name"],
        "version": packages.version(node["address"]),
        "purl": packages.purl(node["address"]),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _licence(text: str) -> Json:
    kind, value = packages.licence(text)
    if kind == "expression":
        return {"expression": value, "acknowledgement": "declared"}
    return {"license": {kind: value, "acknowledgement": "declared"}}


def _file(file: Json) -> Json:
    return {"type": "file", "name": file["name"], "hashes": [{"alg": "SHA-256", "content": file["sha256"]}]}


def _properties(facts: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in facts]
