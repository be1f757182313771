"""Answers for people and for programs."""

from lineage.report import graphs, json, listing, overview, terminal, tree, words

__all__ = ["graphs", "json", "listing", "overview", "terminal", "tree", "words"]
