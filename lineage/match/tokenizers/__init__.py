"""Two tokenizers held against each other: what they share, whether in one order, and what that makes them."""

from lineage.match.tokenizers.comparing import compare_tokenizers
from lineage.match.tokenizers.searching import nearest_tokenizer

__all__ = ["compare_tokenizers", "nearest_tokenizer"]
