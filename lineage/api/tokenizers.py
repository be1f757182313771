"""The tokenizer of whatever a path or an address names, and the comparison of two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import checkpoints, sketch
from lineage.api.indexes import indexes
from lineage.api.witnesses import nearest
from lineage.errors import UnsupportedFormat

if TYPE_CHECKING:
    from lineage.types import TokenizerComparison, TokenizerSketch


def is_tokenizer(source: str | Path) -> bool:
    """Whether `source` is a tokenizer without weights: a file of one, its sketch, or a folder without weights.

    For an address, its name decides. Raises CheckpointError for a folder that cannot be listed.
    """
    if sketch.is_sketch_file(source):
        return False
    if sketch.is_tokenizer_file(source):
        return True
    from lineage.checkpoints.tokenizers import is_tokenizer_alone

    return is_tokenizer_alone(source)


def tokenizer(source: str | Path) -> TokenizerSketch:
    """Sketch the tokenizer at `source`, read its sketch, or take that of a model's sketch.

    Raises UnsupportedFormat if there is none, CheckpointError, SketchMismatch.
    """
    if not checkpoints.is_remote(source) and sketch.is_tokenizer_file(source):
        return replace(sketch.read_tokenizer(source), path=str(source))
    if not checkpoints.is_remote(source) and sketch.is_sketch_file(source):
        found = sketch.read_sketch(source).tokenizer
        if found is None:
            raise UnsupportedFormat(source, "is a sketch without a tokenizer: make it again where the tokenizer is")
        return replace(found, path=str(source))
    from lineage.checkpoints.tokenizers import open_tokenizer

    return sketch.sketch_tokenizer(open_tokenizer(source))


def compare_tokenizer_files(a: str | Path | TokenizerSketch, b: str | Path | TokenizerSketch) -> TokenizerComparison:
    """Say how the tokenizer of `a` relates to that of `b`, each named as given here. Raises as `tokenizer` does."""
    from lineage.match.tokenizers import compare_tokenizers

    return compare_tokenizers(_called_as_given(a), _called_as_given(b))


def whois_tokenizer(
    source: str | Path | TokenizerSketch, index: str | Path | None = None, *, reference: bool = True
) -> TokenizerComparison | None:
    """Say how a tokenizer without weights relates to the nearest of those that ship and of the user's models.

    None if no tokenizer is known. Raises as `tokenizer` does, NoIndex.
    """
    asked = _called_as_given(source)
    with indexes(index, reference) as searched:
        return nearest(asked, searched, reference)


def _called_as_given(source: str | Path | TokenizerSketch) -> TokenizerSketch:
    return replace(tokenizer(source), name=checkpoints.shown(str(source))) if isinstance(source, str | Path) else source
