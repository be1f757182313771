"""What lies beside the weights of a model, held against what is known of public models."""

from __future__ import annotations

from dataclasses import replace

from lineage import store
from lineage.match.settings import nearest_configuration
from lineage.match.tokenizers import nearest_tokenizer
from lineage.types import CheckpointSketch, Whois, Witnesses


def witnesses(asked: CheckpointSketch) -> Witnesses:
    """The nearest tokenizer that ships, the nearest published configurations; None where the model has no such thing.

    Raises Malformed for a damaged reference.
    """
    tokenizer, configuration = asked.tokenizer, asked.configuration
    return Witnesses(
        None if tokenizer is None else nearest_tokenizer(tokenizer, store.reference_tokenizers()),
        nearest_configuration(configuration, store.published_configurations()) if configuration else None,
    )


def witnessed(answer: Whois, reference: bool) -> Whois:
    """An answer with its witnesses, which nothing but the reference knows."""
    return replace(answer, witnesses=witnesses(answer.sketch)) if reference else answer
