"""Answers for people and for programs."""

from lineage.report import json, listing, terminal, words

__all__ = ["json", "listing", "terminal", "words"]
