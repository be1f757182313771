"""Answers for people and for programs."""

from lineage.report import (
    answered,
    audit,
    claims,
    graphs,
    html,
    json,
    kinship,
    listing,
    overview,
    terminal,
    tree,
    words,
)

__all__ = [
    "answered", "audit", "claims", "graphs", "html", "json", "kinship", "listing", "overview", "terminal", "tree",
    "words",
]  # fmt: skip
