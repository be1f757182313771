"""Answers for people and for programs; each module is loaded on first use, since a page takes longer than a line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineage.report import figures, graphs, html, json, kinship, mergekit, sarif, table, witness_json
    from lineage.report.text import answered, audit, claims, descendants, listing, overview, terminal, tokenizers, tree

_HOMES = {
    "lineage.report": ("figures", "graphs", "html", "json", "kinship", "mergekit", "sarif", "table", "witness_json"),
    "lineage.report.text": (
        "answered",
        "audit",
        "claims",
        "descendants",
        "listing",
        "overview",
        "terminal",
        "tokenizers",
        "tree",
    ),
}
__all__ = [
    "answered", "audit", "claims", "descendants", "figures", "graphs", "html", "json", "kinship", "listing",
    "mergekit", "overview", "sarif", "table", "terminal", "tokenizers", "tree", "witness_json",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for home, modules in _HOMES.items():
        if name in modules:
            return import_module(f"{home}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
