"""Answers for people and for programs."""

from lineage.report import audit, claims, graphs, html, json, kinship, listing, overview, terminal, tree, words

__all__ = ["audit", "claims", "graphs", "html", "json", "kinship", "listing", "overview", "terminal", "tree", "words"]
