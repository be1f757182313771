"""From the entries of a file to a vocabulary: ids in order, within bounds, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.tokenizers.spelling import Spelling, is_byte, looks_special, spelling_of, to_bytes
from lineage.errors import Malformed
from lineage.types import Vocabulary

MAX_FILE = 64 << 20  # bytes; the largest public ones take 34 MB
MAX_TOKENS = 1 << 21  # the largest have 0.3 million
MAX_ID = (1 << 32) - 2
MAX_TOKEN = 1 << 16  # bytes of one token
MAX_PATTERN = 512  # characters; the longest public ones have 430
MAX_NAME = 256  # characters of a special token


@dataclass(slots=True)
class Entries:
    """What a file says: the texts or bytes of its tokens with their ids, and which of them it marks."""

    path: Path
    format: str
    texts: Sequence[str] | Sequence[bytes]
    ids: Sequence[int]
    marked: set[int] = field(default_factory=set)
    algorithm: str | None = None
    spelling: Spelling | None = None  # where the file gives it
    pattern: str | None = None
    has_special: bool = True


def vocabulary(entries: Entries, name: str) -> Vocabulary:
    """Bring the tokens into the order of their ids and to the bytes that they mean.

    Raises Malformed for invalid or repeated ids, and for more or longer tokens than any tokenizer has.
    """
    _check(entries)
    ids, texts = _in_order(np.asarray(entries.ids, np.int64), entries.texts)
    if np.any(ids[1:] == ids[:-1]):
        twice = int(ids[1:][ids[1:] == ids[:-1]][0])
        raise Malformed(entries.path, f"gives the id {twice:,} to two tokens")
    marked = np.isin(ids, np.fromiter(entries.marked, np.int64, len(entries.marked)))
    tokens, special = _spelled(texts, ids.tolist(), marked.tolist(), entries.spelling)
    if max(map(len, tokens)) > MAX_TOKEN:
        raise Malformed(entries.path, f"holds a token of more than {MAX_TOKEN:,} bytes: this is not a vocabulary")
    return Vocabulary(
        name=name,
        path=str(entries.path),
        format=entries.format,
        algorithm=entries.algorithm,
        tokens=tuple(tokens),
        ids=ids,
        marked=marked,
        special=special if entries.has_special else None,
        pattern=_pattern(entries.pattern),
    )


def _in_order(
    ids: NDArray[np.int64], texts: Sequence[str] | Sequence[bytes]
) -> tuple[NDArray[np.int64], Sequence[str] | Sequence[bytes]]:
    """Both by id; most files are written so."""
    if np.all(ids[1:] > ids[:-1]):
        return ids, texts
    order = np.argsort(ids, kind="stable")
    places = np.empty(len(texts), np.object_)
    places[:] = texts
    return ids[order], places[order].tolist()


def _check(entries: Entries) -> None:
    if not entries.ids:
        raise Malformed(entries.path, "holds no tokens")
    if len(entries.ids) > MAX_TOKENS:
        raise Malformed(entries.path, f"holds {len(entries.ids):,} tokens, more than the {MAX_TOKENS:,} allowed")
    for number in (min(entries.ids), max(entries.ids)):
        if not 0 <= number <= MAX_ID:
            raise Malformed(entries.path, f"has a token with the invalid id {number}")


def _spelled(
    texts: Sequence[str] | Sequence[bytes], ids: list[int], marked: list[bool], spelling: Spelling | None
) -> tuple[list[bytes], tuple[tuple[str, int], ...]]:
    """The bytes of each token, and the special ones as the file writes them."""
    if texts and isinstance(texts[0], bytes):
        return [text for text in texts if isinstance(text, bytes)], ()  # such formats mark none
    written = [text for text in texts if isinstance(text, str)]
    apart = [
        i for i, (t, m) in enumerate(zip(written, marked, strict=True)) if m or (t[:1] in "<[" and looks_special(t))
    ]
    is_ordinary = np.ones(len(written), np.bool_)
    is_ordinary[apart] = False
    ordinary = list(compress(written, is_ordinary.tolist()))
    tokens = to_bytes(ordinary, spelling or spelling_of(ordinary))
    named = tuple((written[i][:MAX_NAME], ids[i]) for i in apart if not is_byte(written[i]))
    return _with(tokens, {place: written[place].encode("utf-8", "replace") for place in apart}), named


def _with(tokens: list[bytes], others: Mapping[int, bytes]) -> list[bytes]:
    """All tokens in their places: `others` by place, in order, the rest between them."""
    made: list[bytes] = []
    for passed, (place, token) in enumerate(others.items()):
        made += [*tokens[len(made) - passed : place - passed], token]
    return made + tokens[len(made) - len(others) :]


def _pattern(text: str | None) -> str | None:
    return text if text is not None and len(text) <= MAX_PATTERN else None


def as_texts(path: Path, values: Iterable[object], what: str) -> list[str]:
    """Insist that every value is a text. Raises Malformed."""
    texts = list(values)
    if set(map(type, texts)) - {str}:
        text = next(text for text in texts if not isinstance(text, str))
        raise Malformed(path, f"{what} holds {quoted(str(text))}, which is not text")
    return texts  # type: ignore[return-value]


def as_ids(path: Path, values: Iterable[object], what: str) -> list[int]:
    """Insist that every value is a whole number. Raises Malformed."""
    numbers = list(values)
    if set(map(type, numbers)) - {int}:
        number = next(number for number in numbers if type(number) is not int)
        raise Malformed(path, f"{what} has the id {quoted(str(number))}, which is not an integer")
    return numbers  # type: ignore[return-value]
