"""Two tokenizers on a screen: a line that can be quoted, and the figures behind it."""

from __future__ import annotations

import re
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
from lineage.types import TokenizerComparison

_VERDICT = re.compile(r"\b(identical|related|sibling|independent|extended|pruned|merged|base|too little to tell)\b")
_NAME = "\ue001"  # stands for the name of the other tokenizer, which may contain any word


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
    said = text(tokenizer_relation(replace(found, b=_NAME)))
    return _VERDICT.sub(lambda word: word[0].upper(), said, count=1).replace(_NAME, plain(found.b))
