"""Sketches: a summary of each tensor, small enough to store and exact enough for statistical tests."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.sketch.checkpoint_pass import sketch_checkpoint
    from lineage.sketch.family import FAMILY
    from lineage.sketch.search_codes import asked_codes, kept_codes
    from lineage.sketch.sketch_file import is_sketch_file, read_sketch
    from lineage.sketch.sketch_writing import write_sketch
    from lineage.sketch.tokenizer import sketch_tokenizer
    from lineage.sketch.tokenizer_file import (
        is_tokenizer_file,
        read_tokenizer,
        tokenizer_of_sketch,
        write_tokenizer,
    )
    from lineage.sketch.vectors import network_vectors

__all__ = [
    "FAMILY", "asked_codes", "is_sketch_file", "is_tokenizer_file", "kept_codes", "network_vectors", "read_sketch",
    "read_tokenizer", "sketch_checkpoint", "sketch_tokenizer", "tokenizer_of_sketch", "write_sketch", "write_tokenizer",
]  # fmt: skip

__getattr__ = names_of(
    __name__,
    {
        "FAMILY": "family", "asked_codes": "search_codes", "is_sketch_file": "sketch_file",
        "kept_codes": "search_codes", "network_vectors": "vectors", "read_sketch": "sketch_file",
        "sketch_checkpoint": "checkpoint_pass",
        "is_tokenizer_file": "tokenizer_file", "read_tokenizer": "tokenizer_file", "sketch_tokenizer": "tokenizer",
        "write_sketch": "sketch_writing", "write_tokenizer": "tokenizer_file",
        "tokenizer_of_sketch": "tokenizer_file",
    },
)  # fmt: skip
