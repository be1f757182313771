"""Adapters among the known models: their changes are compared with changes, never with weights."""

from lineage.ancestry.adapter.placing import compare_adapters, whois_adapter

__all__ = ["compare_adapters", "whois_adapter"]
