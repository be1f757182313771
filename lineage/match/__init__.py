"""Matching: which tensors of two models correspond, and what their agreement is worth against chance."""

from lineage.match.evidence import LOG10_ALPHA, Match, match

__all__ = ["LOG10_ALPHA", "Match", "match"]
