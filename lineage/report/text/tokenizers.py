"""Two tokenizers on a screen: a line that can be quoted, and the figures behind it."""

from __future__ import annotations

from dataclasses import replace

from lineage.report.figures import plain
from lineage.report.text.canvas import Canvas
from lineage.report.witnesses import (
    TOKENIZERS_ARE_SHARED,
    tokenizer_figures,
    tokenizer_relation,
    tokens_left_out,
)
from lineage.report.words import text
from lineage.report.words.en.witnesses import HEADLINES
from lineage.types import TokenizerComparison


def tokenizer_screen(found: TokenizerComparison, width: int = 100, colour: bool = False) -> str:
    """The comparison, wrapped to `width`."""
    canvas = Canvas(width, colour)
    canvas.pair(f"tokenizer of {plain(found.a)}", headline(found), "bold")
    for fact in tokenizer_figures(found):
        canvas.line(text(fact), indent=2)
    if left_out := tokens_left_out(found):
        kinds = ", ".join(map(text, left_out))
        canvas.line(f"left out, as all trainers write them or people choose them: {kinds}", indent=2)
    canvas.line(text(TOKENIZERS_ARE_SHARED), indent=2)
    return canvas.text()


def headline(found: TokenizerComparison) -> str:
    """What A is to B in one line that may be quoted alone; the relation is in capitals."""
    relation = tokenizer_relation(replace(found, b=plain(found.b)))
    return HEADLINES[relation.id](relation)
