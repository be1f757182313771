"""Adapters among the known models: changes that are held against changes, never against weights."""

from lineage.ancestry.adapter.placing import compare_adapters, whois_adapter

__all__ = ["compare_adapters", "whois_adapter"]
