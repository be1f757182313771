"""What --json prints is what index/schema says, key for key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from lineage import api
from lineage.checkpoints.configuration import SETTINGS
from lineage.types import Merge, MergePart, Trace
from tests.cli.conftest import Desk, Run
from tests.hand_made import FAMILY

INDEX = Path(__file__).parents[2] / "index"
SCHEMAS = {path.name: json.loads(path.read_text()) for path in sorted((INDEX / "schema").glob("*.json"))}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def check(schema: str, document: Any) -> None:
    assert complaints(schema, document) == []


def complaints(schema: str, document: Any) -> list[str]:
    """What a schema has against a document, keys that it does not name included."""
    validator = Draft202012Validator(SCHEMAS[schema], registry=REGISTRY)
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    return wrong + [f"{key}: not in the schema" for key in sorted(undocumented(SCHEMAS[schema], document))]


def undocumented(schema: Any, document: Any, where: str = "$") -> set[str]:
    """Keys that a document has and its schema does not name."""
    schema = resolved(schema)
    schema = next((one for one in map(resolved, schema.get("anyOf", ())) if "properties" in one), schema)
    if isinstance(document, list):
        return {key for item in document for key in undocumented(schema.get("items", {}), item, f"{where}[]")}
    if not isinstance(document, dict) or "properties" not in schema:
        return set()
    named = schema["properties"]
    found = {f"{where}.{key}" for key in document if key not in named}
    return found.union(*(undocumented(named[k], v, f"{where}.{k}") for k, v in document.items() if k in named))


def resolved(schema: Any) -> Any:
    if "$ref" not in schema:
        return schema
    name, _, path = schema["$ref"].partition("#/")
    target = SCHEMAS[name or "evidence.json"]
    for step in filter(None, path.split("/")):
        target = target[step]
    return resolved(target)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_schema_is_one(schema):
    Draft202012Validator.check_schema(schema)


def test_ingest(run: Run, desk: Desk):
    (desk.folder / "empty.safetensors").touch()
    done = run("ingest", desk.base, desk.folder / "empty.safetensors", "--index", desk.index, "--json")
    again = run("ingest", desk.base, "--index", desk.index, "--json")
    events = [*done.lines, *again.lines]
    assert {event["event"] for event in events} == {"ingested", "failed", "unchanged"}
    for event in events:
        check("ingest.json", event)


def test_exported_index(run: Run, desk: Desk):
    run("ingest", desk.base, "--index", desk.index)
    assert run("export", desk.folder / "out", "--index", desk.index).code == 0
    check("manifest.json", json.loads((desk.folder / "out" / "manifest.json").read_text()))
    (record,) = (desk.folder / "out" / "catalogue").iterdir()
    check("record.json", json.loads(record.read_text()))


def test_whois(run: Run, desk: Desk):
    run("ingest", desk.base, desk.stranger, "--index", desk.index)
    for query in (desk.child, desk.base, desk.stranger):
        check("whois.json", run("whois", query, "--index", desk.index, "--no-reference", "--json").json)


def test_compare(run: Run, desk: Desk):
    for other in (desk.child, desk.stranger):
        check("compare.json", run("compare", other, desk.base, "--json").json)


def test_graph(run: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    run("ingest", desk.base, desk.child, desk.stranger, "--index", desk.index)
    words = ("--index", desk.index, "--no-reference", "--json")
    check("graph.json", run("graph", *words).json)
    check("graph.json", run("graph", "base", *words).json)
    monkeypatch.setattr(api, "graph", lambda *_, **__: FAMILY)
    check("graph.json", run("graph", *words).json)


def test_trace(run: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    run("ingest", desk.base, desk.child, "--index", desk.index)
    check("trace.json", run("trace", "child", "--index", desk.index, "--no-reference", "--json").json)
    for node in FAMILY.nodes:
        trace = Trace(node.id, FAMILY, (("aa", "other"),))
        monkeypatch.setattr(api, "trace", lambda *_, trace=trace, **__: trace)
        check("trace.json", run("trace", node.name, "--json").json)


def test_decompose(run: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    run("ingest", desk.base, desk.stranger, "--index", desk.index)
    words = ("decompose", desk.child, "--index", desk.index, "--no-reference", "--json")
    check("decompose.json", run(*words).json)
    parts = (
        MergePart("ab" * 8, "left", 0.7, ((0, 0.9), (1, 0.5)), ((0, 0), (1, 3)), "hf:org/left"),
        MergePart("cd" * 8, "right", 0.3),
    )
    others = (("ef" * 8, "other"),)
    for found in (None, Merge(parts, "linear", 0.01, others), Merge(parts, "TIES", 0.01, (), "ab" * 8, 0.5, True)):
        monkeypatch.setattr(api, "decompose", lambda *_, found=found, **__: found)
        check("decompose.json", run(*words).json)


def test_a_missing_key_or_an_unknown_word_is_found(run: Run, desk: Desk):
    answer = run("compare", desk.child, desk.base, "--json").json
    validator = Draft202012Validator(SCHEMAS["compare.json"], registry=REGISTRY)
    assert not validator.is_valid({k: v for k, v in answer.items() if k != "share"})
    assert not validator.is_valid(answer | {"relation": "stolen"})
    assert undocumented(SCHEMAS["compare.json"], answer | {"mood": "good"}) == {"$.mood"}


def test_every_catalogue_record():
    records = sorted((INDEX / "catalogue").rglob("*.json"))
    assert len(records) > 100
    wrong = {record.stem: complaints("catalogue.json", json.loads(record.read_text())) for record in records}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_published_configuration():
    listed = json.loads((INDEX / "configurations.json").read_text(encoding="utf-8"))
    check("configurations.json", listed)
    names = [one["model"] for one in listed["configurations"]]
    catalogued = {json.loads(path.read_text())["name"] for path in (INDEX / "catalogue" / "hub").glob("*.json")}
    assert names == sorted(set(names), key=str.lower)
    assert len(names) > 100
    assert {name.lower() for name in names} <= {name.lower() for name in catalogued}
    for one in listed["configurations"]:
        for part in one["parts"]:
            assert SETTINGS.issuperset(part["settings"]), one["model"]
            assert one["source"].startswith("https://")
