"""Tokenizers: untrusted bytes to a vocabulary of bytes and ids; one module a format."""

from lineage.checkpoints.tokenizers.opening import is_tokenizer_alone, open_tokenizer, tokenizer_at

__all__ = ["is_tokenizer_alone", "open_tokenizer", "tokenizer_at"]
