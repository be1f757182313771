"""The vocabulary in the metadata of a GGUF file.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#ggml
"""

from __future__ import annotations

from typing import Any

from lineage.checkpoints.formats.gguf.header import parse_header
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.tokenizers.entries import Entries, as_texts
from lineage.checkpoints.tokenizers.spelling import Spelling
from lineage.errors import Malformed, UnsupportedFormat

MODEL, TOKENS, TYPES = "tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_NORMAL, _BYTE = 1, 6
_SPELLINGS: dict[str, Spelling] = {
    "llama": "sentencepiece", "t5": "sentencepiece", "gpt2": "byte-level", "bert": "sentencepiece",
}  # fmt: skip
_ALGORITHMS = {"llama": "BPE", "t5": "Unigram", "gpt2": "BPE", "bert": "WordPiece"}


def read_gguf_vocabulary(file: PositionedFile) -> Entries:
    """List the tokens of a GGUF file. Raises Truncated, Malformed, UnsupportedFormat for a file without any."""
    metadata = parse_header(file, keep=frozenset({TOKENS, TYPES})).metadata
    tokens, types, model = metadata.get(TOKENS), metadata.get(TYPES), metadata.get(MODEL)
    if not isinstance(tokens, list) or not isinstance(model, str):
        raise UnsupportedFormat(file.path, "holds no vocabulary")
    if model not in _SPELLINGS:
        raise UnsupportedFormat(file.path, "holds a vocabulary in a spelling that is not known here")
    return Entries(
        file.path, "gguf", as_texts(file.path, tokens, TOKENS), list(range(len(tokens))), _marked(file, tokens, types),
        algorithm=_ALGORITHMS[model], spelling=_SPELLINGS[model],
    )  # fmt: skip


def _marked(file: PositionedFile, tokens: list[Any], types: Any) -> set[int]:
    if types is None:
        return set()
    if not isinstance(types, list) or len(types) != len(tokens):
        raise Malformed(file.path, f"{TYPES} does not fit the tokens")
    return {number for number, kind in enumerate(types) if kind not in (_NORMAL, _BYTE)}
