"""What these formats have in common: the graph's own JSON, names for it, identifiers and dates that never vary."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from lineage.report.figures import each_text, plain
from lineage.report.graphs.json import document
from lineage.types import Lineage

NAMESPACE = "urn:x-weight-lineage:"
_UUIDS = UUID("6f1d3f0e-5c1b-5c57-9d6a-3b0a1f7c2e44")  # made once, for this package alone
_ENDS = ("parent", "child", "parent_name", "child_name")
_FACTS = ("id", "params", "observed", "root", "aliases", "copies", "family", "weights_seen")
_UNKNOWN: tuple[Any, ...] = (None, [])


def statement(lineage: Lineage, *, with_facts: bool = False) -> dict[str, Any]:
    """`lineage/graph/1` with every text escaped; reasons are in English, and as facts where these are asked for."""
    value: dict[str, Any] = each_text(document(lineage), plain)
    if not with_facts:
        for key, held in (("contradiction_facts", [value]), ("basis_facts", value["edges"])):
            for one in held:
                del one[key]
    return value


def identifier(value: Mapping[str, Any]) -> UUID:
    """A UUID (version 5) for a statement; equal statements have equal ones."""
    return uuid5(_UUIDS, sha256(json.dumps(value, sort_keys=True).encode()).hexdigest())


def edge_facts(edge: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All that an edge of a statement knows except its ends, as (name, text) with names of our own."""
    known = {key: value for key, value in edge.items() if key not in _ENDS and value not in _UNKNOWN}
    return [(f"lineage:{key}", _text(value)) for key, value in known.items()]


def node_facts(node: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All that a node knows except what every format has its own place for: name, licence, address, files."""
    return [(f"lineage:{key}", _text(node[key])) for key in _FACTS if node[key] not in _UNKNOWN]


def date() -> str | None:
    """The date of SOURCE_DATE_EPOCH (reproducible-builds.org) in UTC, None without: no answer depends on a clock."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if re.fullmatch("[0-9]{1,11}", seconds) is None:
        return None
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def rendered(value: Mapping[str, Any]) -> bytes:
    """ASCII JSON with sorted keys, indented by two."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
