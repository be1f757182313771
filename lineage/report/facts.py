"""A fact as a JSON value: its id, its figures, and its text in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from lineage.report.figures import finite
from lineage.report.words import text
from lineage.types.facts import Fact


def fact_value(fact: Fact) -> dict[str, Any]:
    """`$defs/fact` of evidence.json."""
    return {"id": fact.id, "values": _fields(fact), "text": text(fact)}


def fact_values(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Each fact of several."""
    return [fact_value(fact) for fact in facts]


def _fields(value: Any) -> dict[str, Any]:
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}


def _plain(value: Any) -> Any:
    """A figure as JSON has it: infinite and missing numbers are null, what has fields is an object."""
    if isinstance(value, Fact):
        return fact_value(value)
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return _fields(value) if is_dataclass(value) else value
