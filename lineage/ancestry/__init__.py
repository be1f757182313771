"""Ancestry: from evidence to relations, directions and a place among the known models."""

from lineage.ancestry.comparison import compare
from lineage.ancestry.placing import whois

__all__ = ["compare", "whois"]
