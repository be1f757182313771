"""What lies beside the weights of a model, held against what is known of public models."""

from __future__ import annotations

from dataclasses import replace

from lineage import store
from lineage.match.tokenizers import nearest_tokenizer
from lineage.types import CheckpointSketch, Whois, Witnesses


def witnesses(asked: CheckpointSketch) -> Witnesses:
    """The nearest of the tokenizers that ship; None where the model has none. Raises Malformed for a damaged one."""
    tokenizer = asked.tokenizer
    return Witnesses(
        tokenizer=None if tokenizer is None else nearest_tokenizer(tokenizer, store.reference_tokenizers()),
    )


def witnessed(answer: Whois, reference: bool) -> Whois:
    """An answer with its witnesses, which nothing but the reference knows."""
    return replace(answer, witnesses=witnesses(answer.sketch)) if reference else answer
