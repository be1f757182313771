"""Comparison of two tokenizers: shared tokens, their order, and the resulting relation."""

from lineage.match.tokenizers.comparing import compare_tokenizers
from lineage.match.tokenizers.searching import is_near, nearest_tokenizer

__all__ = ["compare_tokenizers", "is_near", "nearest_tokenizer"]
