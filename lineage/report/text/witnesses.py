"""The tokenizer and the configuration of a model on a screen: a paragraph each, apart from the weights."""

from __future__ import annotations

from collections.abc import Iterator

from lineage.report.figures import plain
from lineage.report.witnesses import declared_types, settings_witness, tokenizer_witness
from lineage.report.words import text
from lineage.types import Witnesses
from lineage.types.facts import Fact
from lineage.types.settings import ConfigurationFound

_LEAST = 3  # equal settings of a part, and half of those compared: fewer are on the page and in the JSON alone


def witness_lines(found: Witnesses) -> Iterator[str]:
    """One line for each witness, with the remark that it is not evidence about the weights."""
    if found.tokenizer is not None:
        yield f"tokenizer: {plain(text(tokenizer_witness(found.tokenizer)))}; says nothing about the weights"
    told = [] if found.configuration is None else [plain(text(fact)) for fact in _told(found.configuration)]
    if told:
        yield f"configuration: {'; '.join(told)}; says nothing about the weights"


def _told(found: ConfigurationFound) -> Iterator[Fact]:
    for part in found.parts:
        if len(part.equal) >= max(_LEAST, len(part.other)):
            yield from settings_witness(part)
    yield from declared_types(found)
