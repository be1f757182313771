"""Two tokenizers held against each other: what they share, whether in one order, and what that makes them."""

from lineage.match.tokenizers.comparing import compare_tokenizers
from lineage.match.tokenizers.searching import is_near, nearest_tokenizer

__all__ = ["compare_tokenizers", "is_near", "nearest_tokenizer"]
