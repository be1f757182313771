"""Ranks of tiktoken: a line of base64 and a number for each token; and tekken.json, which is the same as JSON.

Formats: https://github.com/openai/tiktoken (load.py) and https://github.com/mistralai/mistral-common (tekken.py).
"""

from __future__ import annotations

import binascii
import re
from pathlib import Path
from typing import Any

from lineage.checkpoints.tokenizers.entries import MAX_TOKENS, Entries
from lineage.errors import Malformed

_LINE = re.compile(rb"[A-Za-z0-9+/]{1,100000}={0,2} \d{1,10}")
_HEAD = 4  # lines


def looks_like_ranks(head: bytes) -> bool:
    """Whether the first lines of a file are base64 and a number each."""
    lines = head.split(b"\n")[:_HEAD]
    whole = lines[:-1] if len(lines) < _HEAD else lines
    return bool(whole) and all(_LINE.fullmatch(line.rstrip(b"\r")) for line in whole if line)


def read_ranks(path: Path, content: bytes) -> Entries:
    """List the tokens of a file of ranks. Special tokens lie in a program, not in the file. Raises Malformed."""
    if content.count(b"\n") > MAX_TOKENS:
        raise Malformed(path, f"has more than the {MAX_TOKENS:,} lines allowed: this is not a vocabulary")
    tokens, ids = [], []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        encoded, _, rank = line.strip().partition(b" ")
        tokens.append(_decoded(path, encoded, f"line {number:,}"))
        if not rank.isdigit() or len(rank) > 10:
            raise Malformed(path, f"line {number:,} has no rank behind its token")
        ids.append(int(rank))
    return Entries(path, "tiktoken", tokens, ids, algorithm="BPE", has_special=False)


def is_tekken(value: Any) -> bool:
    """Whether a parsed file has the shape of a tekken.json."""
    return isinstance(value, dict) and isinstance(value.get("config"), dict) and isinstance(value.get("vocab"), list)


def read_tekken(path: Path, value: dict[str, Any]) -> Entries:
    """List the tokens of a parsed tekken.json, as many as its config says are in use. Raises Malformed."""
    config, tokens, ids = value["config"], [], []
    reserved = _count(path, config.get("default_num_special_tokens", 0))
    used = _count(path, config.get("default_vocab_size", len(value["vocab"]) + reserved)) - reserved
    for number, token in enumerate(value["vocab"][: max(0, used)]):
        encoded = token.get("token_bytes") if isinstance(token, dict) else None
        if not isinstance(encoded, str) or not encoded.isascii():
            raise Malformed(path, f"token {number:,} has no bytes")
        tokens.append(_decoded(path, encoded.encode(), f"token {number:,}"))
        ids.append(reserved + number)
    pattern = config.get("pattern")
    return Entries(
        path, "tekken", tokens, ids,
        algorithm="BPE", pattern=pattern if isinstance(pattern, str) else None, has_special=False,
    )  # fmt: skip


def _count(path: Path, number: Any) -> int:
    if type(number) is not int or not 0 <= number <= MAX_TOKENS:
        raise Malformed(path, "its config gives a number of tokens that no tokenizer has")
    return number


def _decoded(path: Path, encoded: bytes, where: str) -> bytes:
    if encoded == b"=":
        return b""  # Whisper's file ends so
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error as error:
        raise Malformed(path, f"{where} is not base64: damaged, or another format") from error
