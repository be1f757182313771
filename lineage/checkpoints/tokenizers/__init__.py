"""Tokenizers: untrusted bytes to a vocabulary of bytes and ids; one module a format."""

from lineage.checkpoints.tokenizers.opening import open_tokenizer, tokenizer_at

__all__ = ["open_tokenizer", "tokenizer_at"]
