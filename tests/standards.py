"""Each format of `lineage.report.bom` held against its own library, and what every export says of its edges."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from typing import Any

import google.protobuf.json_format
import networkx as nx
import prov.model
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from spdx_python_model.bindings import v3_0_1 as spdx

HUB_RELATIONS = {"adapter", "merge", "quantized", "finetune"}
Said = list[str]


def check_cyclonedx(version: SchemaVersion) -> Callable[[bytes], None]:
    def check(page: bytes) -> None:
        error = JsonStrictValidator(version).validate_str(page.decode())
        assert error is None, error
        value = json.loads(page)
        models = [*value["components"], *filter(None, [value["metadata"].get("component")])]
        references = [model["bom-ref"] for model in models]
        assert len(references) == len(set(references))
        assert {facts(one)["lineage:model"] for one in relatives(value)} <= set(references)

    return check


def check_spdx(page: bytes) -> None:
    held = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(BytesIO(page), held)
    assert held.missing_ids == set()
    spdx.JSONLDSerializer().write(held, BytesIO())  # looks for what is mandatory
    names = [one["spdxId"] for one in json.loads(page)["@graph"] if "spdxId" in one]
    assert len(names) == len(set(names))


def check_prov(page: bytes) -> None:
    document = read_prov(page)
    entities = {entity.identifier for entity in document.get_records(prov.model.ProvEntity)}
    for relation in document.get_records(prov.model.ProvRelation):
        assert set(relation.args[:2]) <= entities


def check_intoto(page: bytes) -> None:
    statement = Statement.copy_from_pb(google.protobuf.json_format.Parse(page, StatementMessage()))
    statement.validate()
    names = [subject.name for subject in statement.pb.subject]
    assert len(names) == len(set(names))


def check_card(page: bytes) -> None:
    for patch in yaml.safe_load_all(page):
        assert set(patch) <= {"base_model", "base_model_relation"}
        parents = patch.get("base_model", [])
        assert all(isinstance(parent, str) for parent in parents)
        assert len(parents) == len(set(parents))
        assert patch.get("base_model_relation", "merge") in HUB_RELATIONS


CHECKS: dict[str, Callable[[bytes], None]] = {
    ".cdx.json": check_cyclonedx(SchemaVersion.V1_6),
    ".1.7.cdx.json": check_cyclonedx(SchemaVersion.V1_7),
    ".spdx.json": check_spdx,
    ".prov.json": check_prov,
    ".intoto.json": check_intoto,
    ".card.yaml": check_card,
    ".json": json.loads,
    ".graphml": lambda page: nx.read_graphml(BytesIO(page)),
    ".gexf": lambda page: nx.read_gexf(BytesIO(page)),
    ".svg": ET.fromstring,
}


def read_prov(page: bytes) -> prov.model.ProvDocument:
    return prov.model.ProvDocument.deserialize(StringIO(page.decode()))


def relatives(bom: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every entry of a pedigree."""
    for model in (*bom["components"], bom["metadata"].get("component", {})):
        for entries in model.get("pedigree", {}).values():
            yield from entries


def facts(component: dict[str, Any]) -> dict[str, str]:
    """The properties of a component of CycloneDX."""
    return {one["name"]: one["value"] for one in component["properties"]}


def _of_cyclonedx(page: bytes) -> Said:
    found = [facts(one) for one in relatives(json.loads(page))]
    twice = [one["lineage:source"] for one in found if one["lineage:directed"] == "false"]
    return [one["lineage:source"] for one in found if one["lineage:directed"] == "true"] + sorted(twice)[::2]


def _of_spdx(page: bytes) -> Said:
    graph = json.loads(page)["@graph"]
    edges = [one for one in graph if one.get("relationshipType") in {"descendantOf", "hasVariant"}]
    return [
        entry["extension_cdxPropValue"]
        for edge in edges
        for entry in edge["extension"][0]["extension_cdxProperty"]
        if entry["extension_cdxPropName"] == "lineage:source"
    ]


def _of_prov(page: bytes) -> Said:
    parts = json.loads(page)
    records = [*parts.get("wasDerivedFrom", {}).values(), *parts.get("entity", {}).values()]
    return [record["lineage:source"] for record in records if "lineage:source" in record]


def _of_network(read: Callable[..., Any]) -> Callable[[bytes], Said]:
    return lambda page: [facts["source"] for _, _, facts in read(BytesIO(page)).edges(data=True)]


def _of_text(pattern: str) -> Callable[[bytes], Said]:
    return lambda page: re.findall(pattern, page.decode(), re.MULTILINE)


SOURCES: dict[str, Callable[[bytes], Said]] = {
    ".json": lambda page: [edge["source"] for edge in json.loads(page)["edges"]],
    ".graphml": _of_network(lambda page: nx.read_graphml(page, force_multigraph=True)),
    ".gexf": _of_network(nx.read_gexf),
    ".dot": _of_text(r" class=(measured|declared)\b.*\];$"),
    ".mmd": _of_text(r'^  n\d+ \S+\|"(measured|declared)\b.*\| n\d+$'),
    ".csv": lambda page: [row["source"] for row in csv.DictReader(StringIO(page.decode()))],
    ".svg": _of_text(r'^<g class="edge" .* data-source="(measured|declared)"><title>'),
    ".cdx.json": _of_cyclonedx,
    ".1.7.cdx.json": _of_cyclonedx,
    ".spdx.json": _of_spdx,
    ".prov.json": _of_prov,
    ".intoto.json": lambda page: [edge["source"] for edge in json.loads(page)["predicate"]["edges"]],
}
"""What an export says of each edge, "measured" or "declared"; one entry an edge."""
