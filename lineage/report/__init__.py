"""Answers for people and for programs; each module is loaded on first use, since a page takes longer than a line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineage.report import (
        answered,
        audit,
        claims,
        descendants,
        graphs,
        html,
        json,
        kinship,
        listing,
        mergekit,
        overview,
        terminal,
        tree,
        words,
    )

__all__ = [
    "answered", "audit", "claims", "descendants", "graphs", "html", "json", "kinship", "listing", "mergekit",
    "overview", "terminal", "tree", "words",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"lineage.report.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
