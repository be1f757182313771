"""Edges as comma-separated values (RFC 4180, line feeds), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any
from unicodedata import normalize

from lineage.report.figures import plain
from lineage.report.graphs.json import edge_value
from lineage.types import Lineage

COLUMNS = (
    "parent", "parent_name", "child", "child_name", "relation", "directed", "source", "component", "share", "weight",
    "r", "z", "log10_p", "confidence", "basis", "layer_map", "parent_weights_seen", "child_weights_seen",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")


def render(lineage: Lineage) -> bytes:
    """A header and one line per edge; unknown is empty, lists are JSON."""
    names = {node.id: node.name for node in lineage.nodes}
    seen = {node.id: node.weights_seen if node.observed else None for node in lineage.nodes}
    page = StringIO()
    table = csv.writer(page, lineterminator="\n")
    table.writerow(COLUMNS)
    for edge in lineage.edges:
        value = edge_value(edge, names) | {
            f"{end}_weights_seen": seen[getattr(edge, end)] for end in ("parent", "child")
        }
        table.writerow([cell(value[column]) for column in COLUMNS])
    return page.getvalue().encode("utf-8")


def cell(value: Any) -> str | float | int:
    """A value as a cell: a quote is put before text that a spreadsheet would take for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return value
    text = plain(value) if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if _begins_a_formula(text) else text


def _begins_a_formula(text: str) -> bool:
    """Whether a spreadsheet could take a text for a formula: full-width and small forms of the signs count as well."""
    return normalize("NFKC", text).lstrip().startswith(_FORMULA)
