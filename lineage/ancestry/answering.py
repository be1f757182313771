"""The answer about a model or an adapter: each is held against its own kind."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.sketch.adapters import is_adapter
from lineage.store import Index
from lineage.types import CheckpointSketch, Whois


def whois(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
    """Say what `query` descends from among the models of `indexes`; of an adapter, what it is to them."""
    if is_adapter(query):
        from lineage.ancestry.adapter import whois_adapter

        return whois_adapter(query, indexes)
    from lineage.ancestry.placing import whois_model

    return whois_model(query, indexes)
