"""The shapes of requests as JSON Schemas, with a validator for the keywords that are used here.

The OpenAPI document contains the same schemas, so that it describes exactly what is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
JOB: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
MODEL: Schema = {"type": "string", "minLength": 1, "maxLength": 300}
CHECKPOINT: Schema = {
    "type": "object",
    "description": "What the question is about: exactly one of these.",
    "properties": {
        "upload": {**DIGEST, "description": "The SHA-256 of a sketch that was uploaded."},
        "model": {**MODEL, "description": "A model of the index: its id, a unique prefix of it, its name or an alias."},
        "path": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "description": "A checkpoint below a folder that the operator allows.",
        },
        "address": {
            "type": "string",
            "pattern": "^hf:[A-Za-z0-9][A-Za-z0-9_.@/-]{0,299}$",
            "description": "A model of the hub: hf:org/name@revision.",
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
TOKENIZER: Schema = {**DIGEST, "description": "The SHA-256 of a tokenizer's file that was uploaded under its name."}
READABLE: Schema = {
    **CHECKPOINT,
    "description": "What the question is about, a model or a tokenizer: exactly one of these.",
    "properties": {**CHECKPOINT["properties"], "tokenizer": TOKENIZER},
}
ADDED: Schema = {
    **CHECKPOINT,
    "description": "What to add: exactly one of these.",
    "properties": {key: schema for key, schema in CHECKPOINT["properties"].items() if key != "model"},
}
LISTED: Schema = {
    **CHECKPOINT,
    "description": "A model or a tokenizer that is not in the index: exactly one of these.",
    "properties": {**ADDED["properties"], "tokenizer": TOKENIZER},
}
ADAPTER: Schema = {
    **CHECKPOINT,
    "description": "A LoRA or DoRA that is merged onto a checkpoint of a path or an address: exactly one of these.",
    "properties": {key: CHECKPOINT["properties"][key] for key in ("path", "address")},
}
DEPTH: Schema = {"type": "string", "enum": ["full", "sampled"]}
PAGES: Schema = {"type": "boolean", "description": "Make the pages of the report at once, while all is at hand."}
RULES: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1 << 18,
    "description": "A file of rules and licences of one's own (TOML), as `lineage audit --rules` reads it.",
}
MOST_ROWS = 1000
NAME: Schema = {"type": "string", "pattern": r"^[\w.@/-][\w .@/-]{0,199}$"}


def shape(required: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": [*required],
        "additionalProperties": False,
    }


QUESTIONS: dict[str, Schema] = {
    "whois": shape({"checkpoint": READABLE}, adapter=ADAPTER, depth=DEPTH, pages=PAGES),
    "compare": shape({"a": READABLE, "b": READABLE}, depth=DEPTH, pages=PAGES),
    "table": shape(
        {"checkpoints": {"type": "array", "items": LISTED, "minItems": 1, "maxItems": MOST_ROWS}}, depth=DEPTH
    ),
    "decompose": shape({"checkpoint": CHECKPOINT}, depth=DEPTH),
    "audit": shape(
        {"checkpoint": CHECKPOINT, "policy": {"type": "string", "enum": ["licence", "from-scratch", "t-class"]}},
        rules=RULES,
        depth=DEPTH,
    ),
    "verify": shape(
        {"checkpoint": CHECKPOINT, "claims": {"type": "string", "minLength": 1, "maxLength": 1_000_000}},
        claims_format={"type": "string", "enum": ["card", "toml", "json"]},
        depth=DEPTH,
    ),
    "ingest": shape(
        {"checkpoints": {"type": "array", "items": ADDED, "minItems": 1, "maxItems": 100}}, name=NAME, depth=DEPTH
    ),
}
"""What each kind of job is asked with."""


def complaint(schema: Schema, value: Any, where: str = "the request") -> str | None:
    """What is wrong with `value`, in one line, or None."""
    return _COMPLAINTS[schema["type"]](schema, value, where)


def _of_list(schema: Schema, value: Any, where: str) -> str | None:
    least, most = schema["minItems"], schema["maxItems"]
    if not isinstance(value, list) or not least <= len(value) <= most:
        return f"{where} must be a list of {least} to {most}"
    found = (complaint(schema["items"], one, f"{where}[{i}]") for i, one in enumerate(value))
    return next((one for one in found if one is not None), None)


def _of_number(schema: Schema, value: Any, where: str) -> str | None:
    least, most = schema["minimum"], schema["maximum"]
    is_fit = type(value) is int and least <= value <= most
    return None if is_fit else f"{where} must be a whole number from {least} to {most}"


def _of_boolean(_: Schema, value: Any, where: str) -> str | None:
    return None if isinstance(value, bool) else f"{where} must be true or false"


def _of_object(schema: Schema, value: Any, where: str) -> str | None:
    if not isinstance(value, dict):
        return f"{where} must be a JSON object with {', '.join(schema['properties'])}"
    known = schema["properties"]
    for key in value:
        if key not in known:
            return f"{where} has a key {key[:40]!r}; there are {', '.join(known)}"
    for key in schema.get("required", ()):
        if key not in value:
            return f"{where} lacks {key!r}"
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(known)):
        return f"{where} must have exactly one of {', '.join(known)}"
    found = (complaint(known[key], one, key) for key, one in value.items())
    return next((one for one in found if one is not None), None)


def _of_text(schema: Schema, value: Any, where: str) -> str | None:
    if not isinstance(value, str):
        return f"{where} must be text"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} must be one of {', '.join(schema['enum'])}"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"{where} must have {schema.get('minLength', 0)} to {schema.get('maxLength')} characters"
    pattern = schema.get("pattern")
    if pattern is not None and ("\n" in value or not re.search(pattern, value, re.ASCII)):
        about = f": {schema['description']}" if "description" in schema else ""
        return f"{where} must match {pattern}{about}"
    return None


_COMPLAINTS: dict[str, Callable[[Schema, Any, str], str | None]] = {
    "object": _of_object,
    "array": _of_list,
    "string": _of_text,
    "integer": _of_number,
    "boolean": _of_boolean,
}
