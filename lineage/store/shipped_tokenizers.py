"""The sketches of public tokenizers that ship with the package."""

from __future__ import annotations

from lineage.sketch import read_tokenizer
from lineage.store.reference import reference_folder
from lineage.types import TokenizerSketch

TOKENIZERS = "tokenizers"


def reference_tokenizers() -> tuple[TokenizerSketch, ...]:
    """All of them, in the order of their files; none where none ship. Raises Malformed for a damaged one, OSError."""
    folder = reference_folder()
    files = [] if folder is None else sorted((folder / TOKENIZERS).glob("*.tokenizer"))
    return tuple(map(read_tokenizer, files))
