"""Vocabularies as two trainers would make them, and tokenizer files written from the definitions of their formats."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.tokenizers.spelling import BYTE_OF
from tests.gguf_files import gguf_bytes

SYLLABLES = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
SPECIAL = ("<s>", "</s>", "<|pad|>")
CHARACTER = {byte: chr(code) for code, byte in BYTE_OF.items()}


def pool(count: int = 9000, alphabet: Sequence[str] = tuple(SYLLABLES), seed: int = 1) -> list[str]:
    """Words of a language, the frequent first; seven in ten begin after a space."""
    random = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        word = "".join(random.choice(alphabet, random.integers(2, 5)))
        found[(" " if random.random() < 0.7 else "") + word] = None
    return list(found)


def trained(words: Sequence[str], size: int, seed: int, noise: float = 1.0) -> list[str]:
    """The `size` most frequent words of a text of one's own: all texts agree on what is frequent, to a degree."""
    random = np.random.default_rng(seed)
    seen = -np.log(np.arange(1, len(words) + 1)) + noise * random.standard_normal(len(words))
    return [words[i] for i in np.argsort(-seen, kind="stable")[:size]]


def hangul(count: int, seed: int = 3) -> list[str]:
    """Words of another script."""
    return pool(count, [chr(0xAC00 + 28 * i) for i in range(90)], seed)


def byte_level(text: str) -> str:
    return "".join(CHARACTER[byte] for byte in text.encode())


def spaced(text: str) -> str:
    return text.replace(" ", "\u2581")


def pieced(text: str) -> str:
    return text[1:] if text.startswith(" ") else "##" + text


def tokenizer_json(
    tokens: Sequence[str], *, kind: str = "byte-level", special: Sequence[str] = SPECIAL, merges: Any = ()
) -> bytes:
    """Special tokens come last, as added ones."""
    spell = {"byte-level": byte_level, "sentencepiece": spaced, "Unigram": spaced, "WordPiece": pieced}[kind]
    alphabet = list(CHARACTER.values()) if kind == "byte-level" else []
    texts = [*alphabet, *map(spell, tokens)]
    added = [{"id": len(texts) + i, "content": text, "special": True} for i, text in enumerate(special)]
    model: dict[str, Any] = {"type": "BPE", "vocab": {text: i for i, text in enumerate(texts)}, "merges": list(merges)}
    if kind == "Unigram":
        model = {"type": "Unigram", "vocab": [[text, -float(i)] for i, text in enumerate(texts)]}
    if kind == "WordPiece":
        model |= {"type": "WordPiece", "continuing_subword_prefix": "##"}
    value: dict[str, Any] = {"version": "1.0", "added_tokens": added, "model": model}
    if kind == "byte-level":
        split = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated"}
        value["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel"}]}
    return json.dumps(value).encode()


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def piece(text: str | bytes, kind: int = 1, score: float = 0.0) -> bytes:
    """One piece of a sentencepiece model; kind 1 is the default, which is not written."""
    raw = text.encode() if isinstance(text, str) else text
    held = message(1, raw) + b"\x15" + struct.pack("<f", score)
    return message(1, held + (b"\x18" + varint(kind) if kind != 1 else b""))


def sentencepiece(tokens: Sequence[str], *, special: Sequence[str] = SPECIAL, algorithm: int = 2) -> bytes:
    pieces = [piece(spaced(text), score=-float(i)) for i, text in enumerate(tokens)]
    pieces += [piece(text, 3) for text in special]
    return b"".join(pieces) + message(2, b"\x18" + varint(algorithm))


def vocab_json(tokens: Sequence[str]) -> bytes:
    texts = [*CHARACTER.values(), *map(byte_level, tokens)]
    return json.dumps({text: i for i, text in enumerate(texts)}).encode()


def vocab_txt(tokens: Sequence[str], special: Sequence[str] = ("[PAD]", "[UNK]")) -> bytes:
    return "".join(f"{text}\n" for text in [*special, *map(pieced, tokens)]).encode()


def ranks(tokens: Sequence[str]) -> bytes:
    raw = [*(bytes([byte]) for byte in CHARACTER), *(text.encode() for text in tokens)]
    return b"".join(base64.b64encode(token) + f" {i}\n".encode() for i, token in enumerate(raw))


def tekken(tokens: Sequence[str], special: int = 5) -> bytes:
    raw = [*(bytes([byte]) for byte in CHARACTER), *(text.encode() for text in tokens)]
    vocab = [{"rank": i, "token_bytes": base64.b64encode(token).decode()} for i, token in enumerate(raw)]
    config = {"pattern": "x+", "default_vocab_size": len(raw) + special, "default_num_special_tokens": special}
    return json.dumps({"config": config, "vocab": vocab}).encode()


def gguf(tokens: Sequence[str], *, model: str = "llama", special: Sequence[str] = SPECIAL) -> bytes:
    spell: Callable[[str], str] = byte_level if model == "gpt2" else spaced
    texts = [*(CHARACTER.values() if model == "gpt2" else ()), *map(spell, tokens)]
    kinds = [1] * len(texts) + [3] * len(special)
    metadata = {
        "general.architecture": "llama", "tokenizer.ggml.model": model,
        "tokenizer.ggml.tokens": [*texts, *special], "tokenizer.ggml.token_type": kinds,
    }  # fmt: skip
    return gguf_bytes([("w", (32,), 0, bytes(128))], metadata)


FILES: dict[str, tuple[str, Callable[[Sequence[str]], bytes]]] = {
    "tokenizer.json, byte-level": ("tokenizer.json", tokenizer_json),
    "tokenizer.json, Metaspace": ("tokenizer.json", lambda t: tokenizer_json(t, kind="sentencepiece")),
    "tokenizer.json, Unigram": ("tokenizer.json", lambda t: tokenizer_json(t, kind="Unigram")),
    "tokenizer.json, WordPiece": ("tokenizer.json", lambda t: tokenizer_json(t, kind="WordPiece")),
    "sentencepiece": ("tokenizer.model", sentencepiece),
    "vocab.json": ("vocab.json", vocab_json),
    "vocab.txt": ("vocab.txt", vocab_txt),
    "tiktoken": ("own.tiktoken", ranks),
    "tekken": ("tekken.json", tekken),
    "gguf, llama": ("net.gguf", gguf),
    "gguf, gpt2": ("net.gguf", lambda t: gguf(t, model="gpt2")),
}
"""Each format: a file's name and the bytes of one that holds given tokens, in the same order."""


def write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name
