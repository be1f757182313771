"""The OpenAPI document, made from the table of routes and from the schemas of index/schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lineage import __version__
from lineage.serve.endpoints import INDEX_HEADER, Answered, Endpoint, Parameter
from lineage.serve.refusals import STATUSES
from lineage.serve.uploads import OCTETS
from lineage.store.reference import reference_folder

JSON = "application/json"
_SCHEMAS = "#/components/schemas"
_HEADERS = {
    INDEX_HEADER: {
        "description": "The index that the answer was made from; of what was made from none, the index as it is.",
        "schema": {"type": "string"},
    }
}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lineage",
            "version": __version__,
            "summary": "Where do these model weights come from?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    made: dict[str, Any] = {
        "summary": one.summary,
        "operationId": f"{one.method.lower()}{one.path.replace('/', '-').replace('{', '').replace('}', '')}",
        "parameters": [_parameter(parameter) for parameter in one.parameters],
        "responses": {str(status): _answer(*about) for status, about in one.answers.items()},
    }
    error = {"description": "Refused.", "headers": _HEADERS, "content": {JSON: {"schema": _ref("error")}}}
    made["responses"] |= {str(status): error for status in sorted(STATUSES)}
    content = {} if one.body is None else {JSON: {"schema": one.body}}
    if one.takes_octets:
        content[OCTETS] = {"schema": {}}
    if content:
        made["requestBody"] = {"required": True, "content": content}
    if one.role is not None:
        made["security"] = [{"token": []}, {}]
        made["description"] = f"Needs the role `{one.role}`."
    return made


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = one.schema if one.default is None else {**one.schema, "default": one.default}
    return {
        "name": one.name,
        "in": one.where,
        "required": one.is_required,
        "description": one.about,
        "schema": schema,
    }


def _answer(media: str, schema: Answered) -> dict[str, Any]:
    described = {} if schema is None else {"schema": _schema(schema)}
    content = {JSON: described, "*/*": {}} if media == "*/*" and schema else {media: described}
    return {"description": "Answered.", "headers": _HEADERS, "content": content}


def _schema(named: str | tuple[str, ...]) -> dict[str, Any]:
    return _ref(named) if isinstance(named, str) else {"anyOf": [_ref(one) for one in named]}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"{_SCHEMAS}/{name}"}


@lru_cache
def schemas(place: str = _SCHEMAS) -> dict[str, Any]:
    """The schemas of index/schema by name, each pointing at the others at `place` inside one document."""
    folder = reference_folder()
    files = [] if folder is None else sorted((folder / "schema").glob("*.json"))
    return {file.stem: _inside(_read(file), file.stem, place) for file in files}


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _inside(value: Any, name: str, place: str) -> Any:
    """`value` with references as they are in the document, without the names that a file of its own has."""
    if isinstance(value, list):
        return [_inside(one, name, place) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _inside(one, name, place) for key, one in value.items() if key not in ("$id", "$schema")}
    if isinstance(target := value.get("$ref"), str):
        file, _, path = target.partition("#")
        kept["$ref"] = f"{place}/{file.removesuffix('.json') or name}{path}"
    return kept
