"""The tokenizer and the configuration of a model on a screen: a paragraph each, apart from the weights."""

from __future__ import annotations

from collections.abc import Iterator

from lineage.report.figures import plain
from lineage.report.witnesses import declared_types, settings_witness, tokenizer_witness
from lineage.report.words import text
from lineage.types import Witnesses


def witness_lines(found: Witnesses) -> Iterator[str]:
    """What each says, and that it says nothing of the weights."""
    if found.tokenizer is not None:
        yield f"tokenizer: {plain(text(tokenizer_witness(found.tokenizer)))}; says nothing of the weights"
    if found.configuration is not None:
        for part in found.configuration.parts:
            facts = "; ".join(plain(text(fact)) for fact in settings_witness(part))
            yield f"configuration: {facts}; says nothing of the weights"
        for declared in declared_types(found.configuration):
            yield f"configuration: {plain(text(declared))} (declared, not measured)"
