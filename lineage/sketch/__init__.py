"""Sketches: what is kept of each tensor, small enough to store and exact enough to test."""

from lineage.sketch.checkpoint_pass import sketch_checkpoint
from lineage.sketch.family import FAMILY
from lineage.sketch.file_digests import file_digests
from lineage.sketch.sketch_file import is_sketch_file, read_sketch, write_sketch
from lineage.sketch.tokenizer import sketch_tokenizer
from lineage.sketch.tokenizer_file import is_tokenizer_file, read_tokenizer, write_tokenizer
from lineage.sketch.vectors import MODEL_DIM, NETWORK_DIM, TENSOR_DIM, model_vector, network_vectors, search_vectors

__all__ = [
    "FAMILY", "MODEL_DIM", "NETWORK_DIM", "TENSOR_DIM",
    "file_digests", "is_sketch_file", "is_tokenizer_file", "model_vector", "network_vectors", "read_sketch",
    "read_tokenizer", "search_vectors", "sketch_checkpoint", "sketch_tokenizer", "write_sketch", "write_tokenizer",
]  # fmt: skip
