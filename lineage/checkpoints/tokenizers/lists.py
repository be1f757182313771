"""Vocabularies that are plain lists: vocab.json (token to id) and vocab.txt (a token a line)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lineage.checkpoints.tokenizers.entries import MAX_TOKENS, Entries, as_ids
from lineage.errors import Malformed


def is_vocab_json(value: Any) -> bool:
    """Whether a parsed file is a mapping from texts to whole numbers."""
    return isinstance(value, dict) and bool(value) and all(type(number) is int for number in value.values())


def read_vocab_json(path: Path, value: dict[str, Any]) -> Entries:
    """List the tokens of a parsed vocab.json. Tokens that were added lie in another file, if anywhere."""
    return Entries(path, "vocab.json", list(value), as_ids(path, value.values(), "it"), has_special=False)


def read_vocab_txt(path: Path, content: bytes) -> Entries:
    """List the lines of a vocab.txt; the id of a token is the number of its line, from 0. Raises Malformed."""
    if content.count(b"\n") > MAX_TOKENS:
        raise Malformed(path, f"has more than the {MAX_TOKENS:,} lines allowed: this is not a vocabulary")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(path, f"is not UTF-8 at byte {error.start:,}: this is not a vocabulary") from error
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    return Entries(
        path, "vocab.txt", [line.removesuffix("\r") for line in lines], list(range(len(lines))), algorithm=None
    )
