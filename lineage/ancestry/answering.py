"""The answer to `whois` for a model or an adapter."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.ancestry.handed_over import believable, with_claims
from lineage.sketch.adapters import is_adapter
from lineage.store import Index
from lineage.types import CheckpointSketch, Whois


def whois(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
    """The ancestry of `query` among the models of `indexes`; for an adapter, its relation to them.

    A sketch that was handed over under the id of `query` and cannot be of its weights is left out, and the answer
    reports it. Raises Contradicted if `query` itself is such a sketch.
    """
    searched, refuted = believable(query, indexes)
    if is_adapter(query):
        from lineage.ancestry.adapter import whois_adapter

        return with_claims(whois_adapter(query, searched), searched, refuted)
    from lineage.ancestry.kept_answers import kept_answers
    from lineage.ancestry.placing import whois_model

    return with_claims(kept_answers.answered(whois_model, query, searched), searched, refuted)
