"""tokenizer.json of Hugging Face's tokenizers: BPE, Unigram, WordPiece or WordLevel.

Format: https://github.com/huggingface/tokenizers. Merges are skipped: converters rebuild them from the vocabulary.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.tokenizers.entries import Entries, as_ids, as_texts
from lineage.checkpoints.tokenizers.spelling import Spelling
from lineage.errors import Malformed

_MERGES = b'"merges"'
_LIST = re.compile(rb"\s*+:\s*+\[")
_NEXT_KEY = re.compile(rb'\][\s}]*+,\s*+"(?:[^"\\\x00-\x1f]++|\\.)*+"\s*+:')
_END = re.compile(rb"\]\s*+\}\s*+\}\s*+\Z")
_TAIL = 256  # bytes, in which a file that ends with its merges does so
ALGORITHMS = ("BPE", "Unigram", "WordPiece", "WordLevel")
_MAX_STEPS = 64  # of a pre-tokenizer
_MAX_DEPTH = 4


def without_merges(content: bytes) -> bytes:
    """The text of a file without its merges, where these stand last: they are most of it, and nothing here reads them.

    What is behind the last key of that name has to end as the last list of a model does, and may have no key behind
    another list; whatever is laid out otherwise stays as it is.
    """
    end, begin = _END.search(content, max(0, len(content) - _TAIL)), _last_merges(content)
    if begin is None or end is None or _NEXT_KEY.search(content, begin, end.end()):
        return content
    return content[:begin] + content[end.start() :]


def _last_merges(content: bytes) -> int | None:
    """Where the list of the last key of that name begins; the same text that is not a key occurs in other lists."""
    key = content.rfind(_MERGES)
    while key > 0:
        found = _LIST.match(content, key + len(_MERGES))
        if found is not None and content[key - 1 : key] != b"\\":
            return found.end()
        key = content.rfind(_MERGES, 0, key)
    return None


def is_tokenizer_json(value: Any) -> bool:
    """Whether a parsed file has the shape of a tokenizer.json."""
    return isinstance(value, dict) and isinstance(value.get("model"), dict) and "vocab" in value["model"]


def read_tokenizer_json(path: Path, value: dict[str, Any]) -> Entries:
    """List the tokens of a parsed tokenizer.json; tokens that were added count as marked. Raises Malformed."""
    model = value["model"]
    texts, ids = _vocab(path, model["vocab"])
    held = dict(zip(ids, texts, strict=True))
    if len(held) < len(ids):
        raise Malformed(path, "its vocabulary gives one id to two tokens")
    marked: set[int] = set()
    added = value.get("added_tokens") or []
    if not isinstance(added, list):
        raise Malformed(path, "its added tokens are not a list")
    for token in added:
        number, text = _added(path, token)
        if held.setdefault(number, text) != text:
            raise Malformed(path, f"gives the id {number:,} to two tokens")
        marked.add(number)
    steps = [step for key in ("pre_tokenizer", "decoder") for step in _steps(value.get(key))]
    return Entries(
        path,
        "tokenizer.json",
        list(held.values()),
        list(held),
        marked,
        algorithm=_algorithm(model),
        spelling=_spelling(steps, model),
        pattern=_pattern(steps),
    )


def _vocab(path: Path, vocab: Any) -> tuple[list[str], list[int]]:
    """A mapping from token to id, or of Unigram a list of tokens with their scores."""
    if isinstance(vocab, dict):
        return list(vocab), as_ids(path, vocab.values(), "its vocabulary")
    if not isinstance(vocab, list) or not all(isinstance(pair, list) and pair for pair in vocab):
        raise Malformed(path, "its vocabulary is neither a mapping nor a list of tokens with scores")
    return as_texts(path, (pair[0] for pair in vocab), "its vocabulary"), list(range(len(vocab)))


def _added(path: Path, token: Any) -> tuple[int, str]:
    number, text = (token.get("id"), token.get("content")) if isinstance(token, dict) else (None, None)
    if type(number) is not int or not isinstance(text, str):
        raise Malformed(path, f"has an added token without id or text: {quoted(str(token)[:80])}")
    return number, text


def _algorithm(model: dict[str, Any]) -> str | None:
    """The type that the file states; older files leave it to the fields of the model."""
    stated = model.get("type")
    if stated in ALGORITHMS:
        return str(stated)
    return "BPE" if "merges" in model else "Unigram" if isinstance(model["vocab"], list) else None


def _steps(value: Any, depth: int = 0) -> list[dict[str, Any]]:
    """A pre-tokenizer or decoder as a flat list of its steps."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return []
    inner = value.get("pretokenizers") or value.get("decoders")
    if isinstance(inner, list):
        return [step for one in inner[:_MAX_STEPS] for step in _steps(one, depth + 1)]
    return [value]


def _spelling(steps: list[dict[str, Any]], model: dict[str, Any]) -> Spelling | None:
    """The spelling that the file declares; None if it declares none: then the tokens decide."""
    if any(step.get("type") == "ByteLevel" for step in steps):
        return "byte-level, word ends" if model.get("end_of_word_suffix") else "byte-level"
    if model.get("continuing_subword_prefix") == "##" and model.get("type") == "WordPiece":
        return "WordPiece"
    return "sentencepiece" if any(step.get("type") == "Metaspace" for step in steps) else None


def _pattern(steps: list[dict[str, Any]]) -> str | None:
    """The first expression by which a text is split."""
    for step in steps:
        pattern = step.get("pattern")
        if step.get("type") == "Split" and isinstance(pattern, dict) and isinstance(pattern.get("Regex"), str):
            return str(pattern["Regex"])
    return None
