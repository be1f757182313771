"""The tokenizer of whatever a path or an address means, and two of them held against each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lineage.checkpoints import is_remote, shown
from lineage.checkpoints.tokenizers import is_tokenizer_alone, open_tokenizer
from lineage.errors import UnsupportedFormat
from lineage.match.tokenizers import compare_tokenizers
from lineage.sketch import is_sketch_file, is_tokenizer_file, read_sketch, read_tokenizer, sketch_tokenizer
from lineage.types import TokenizerComparison, TokenizerSketch


def is_tokenizer(source: str | Path) -> bool:
    """Whether `source` is a tokenizer and no weights: a file of one, its sketch, or a folder without weights.

    Of an address, the name tells. Raises CheckpointError for a folder that cannot be listed.
    """
    return is_tokenizer_file(source) or is_tokenizer_alone(source)


def tokenizer(source: str | Path) -> TokenizerSketch:
    """Sketch the tokenizer at `source`, read its sketch, or take that of a model's sketch.

    Raises UnsupportedFormat where there is none, CheckpointError, SketchMismatch.
    """
    if not is_remote(source) and is_tokenizer_file(source):
        return replace(read_tokenizer(source), path=str(source))
    if not is_remote(source) and is_sketch_file(source):
        found = read_sketch(source).tokenizer
        if found is None:
            raise UnsupportedFormat(source, "is a sketch without a tokenizer: make it again where the tokenizer is")
        return replace(found, path=str(source))
    return sketch_tokenizer(open_tokenizer(source))


def compare_tokenizer_files(a: str | Path, b: str | Path) -> TokenizerComparison:
    """Say what the tokenizer of `a` is to that of `b`, each called as it is here. Raises as `tokenizer` does."""
    ours, theirs = (replace(tokenizer(source), name=shown(str(source))) for source in (a, b))
    return compare_tokenizers(ours, theirs)
