"""W3C PROV as PROV-JSON (w3.org/submissions/prov-json): models are entities.

A directed edge is `wasDerivedFrom`. An undirected one must not be a derivation, so it is a collection of its two
ends. All facts of an edge are attributes of the derivation or of the collection; lists are JSON in one string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lineage.report.bom.statement import NAMESPACE, rendered, statement
from lineage.types import Lineage

Json = dict[str, Any]


def render(lineage: Lineage) -> bytes:
    """The whole graph; the prov library reads back the same nodes, edges and attributes."""
    said = statement(lineage)
    entities = {_name(node["id"]): {"prov:label": node["name"]} | _attributes(node) for node in said["nodes"]}
    derivations: dict[str, Json] = {}
    members: dict[str, Json] = {}
    for number, edge in enumerate(said["edges"]):
        ends = (_name(edge["child"]), _name(edge["parent"]))
        if edge["directed"]:
            ways = {"prov:generatedEntity": ends[0], "prov:usedEntity": ends[1]}
            derivations[f"_:edge{number}"] = ways | _attributes(edge)
            continue
        pair = f"lineage:edge/{number}"
        entities[pair] = {"prov:type": {"$": "prov:Collection", "type": "prov:QUALIFIED_NAME"}} | _attributes(edge)
        for end in sorted(set(ends)):
            members[f"_:member{len(members)}"] = {"prov:collection": pair, "prov:entity": end}
    parts = {"entity": entities, "wasDerivedFrom": derivations, "hadMember": members}
    return rendered({"prefix": {"lineage": NAMESPACE}} | {kind: part for kind, part in parts.items() if part})


def _name(node: str) -> str:
    return f"lineage:model/{quote(node, safe='')}"


def _attributes(value: Mapping[str, Any]) -> Json:
    known = {key: fact for key, fact in value.items() if fact is not None}
    return {f"lineage:{key}": json.dumps(fact) if isinstance(fact, list) else fact for key, fact in known.items()}
