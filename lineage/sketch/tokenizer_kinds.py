"""Kinds of tokens that are not evidence: those that every trainer writes alike, or that a person chose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import ge, le

import numpy as np
from numpy.typing import NDArray

from lineage.types import TokenKind, Vocabulary

KINDS: tuple[TokenKind, ...] = ("bytes", "characters", "digits", "repeats", "reserved")
"""In the order in which they are tried: a token is of the first that fits. Codes are places here, from 1."""
ORDINARY = 0
MOST_LENGTH, SORTED = 0x7F, 0x80
"""A mark holds a length in its lower bits, and in its highest whether the token lies in a stretch sorted as text."""
MOST_JOINED = 64  # bytes; longer tokens count as not joined
SORTED_RUN = 8  # tokens in the order of their text, which chance brings about once in 8!

_BYTE = re.compile(rb"<0x[0-9A-Fa-f]{2}>")
_BLANKS = b" \t\n\r\x0b\x0c"
_IS_BLANK = np.isin(np.arange(256), np.frombuffer(_BLANKS, np.uint8))


def token_kinds(tokens: Sequence[bytes], marked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The code of each token's kind, uint8 (n,), 0 for ordinary ones; `marked` are the special tokens of the file."""
    text = np.frombuffer(b"".join(tokens), np.uint8)
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first, last = _at(text, starts, lengths), _at(text, ends - 1, lengths)
    starts = np.where((lengths > 1) & (first == ord(" ")), starts + 1, starts)  # the space before a word
    kinds = np.zeros(len(tokens), np.uint8)
    bracketed = (lengths > 2) & (
        ((first == ord("<")) & (last == ord(">"))) | ((first == ord("[")) & (last == ord("]")))
    )
    for kind, found in (
        ("reserved", marked | bracketed),
        ("repeats", _repeats(text, starts, ends)),
        ("digits", _counted((text >= ord("0")) & (text <= ord("9")), starts, ends) == ends - starts),
        ("characters", _counted((text & 0xC0) != 0x80, starts, ends) <= 1),
    ):
        kinds[found] = KINDS.index(kind) + 1
    for i in np.flatnonzero(bracketed).tolist():
        if _BYTE.fullmatch(tokens[i]):
            kinds[i] = KINDS.index("bytes") + 1
    kinds[marked & (kinds != KINDS.index("bytes") + 1)] = KINDS.index("reserved") + 1
    return kinds


def lengths_and_scripts(tokens: Sequence[bytes]) -> NDArray[np.uint8]:
    """Length in characters (at most 127) and the first byte that is not ASCII, or 0; uint8 (n, 2)."""
    found = [(min(MOST_LENGTH, len(token.decode("utf-8", "replace"))), _lead(token)) for token in tokens]
    return np.array(found, np.uint8).reshape(len(tokens), 2)


def joined_from_earlier(tokens: Sequence[bytes], vocabulary: Vocabulary, kinds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Whether each token is two of the vocabulary, one after the other, ordinary ones of lower ids; uint8 (n,).

    Those that byte-pair training makes are, all of them; those that somebody adds need not be. Where a trainer puts
    the single characters, first or last, does not matter.
    """
    asked = {piece for token in tokens for piece in _pieces(token)}.union(tokens)
    ranks = np.where(kinds == ORDINARY, vocabulary.ids, -1).tolist()
    ids: dict[bytes, int] = {}
    for token, rank in zip(vocabulary.tokens, ranks, strict=True):
        if token in asked:
            ids[token] = min(rank, ids.get(token, rank))
    return np.array([_is_joined(token, ids) for token in tokens], np.uint8)


def sorted_as_text(tokens: Sequence[bytes]) -> NDArray[np.bool_]:
    """Which tokens lie in a run of eight or more that are in the order of their text, up or down, case aside.

    Such an order was made by a rule that needs no other vocabulary, so that two may share it by chance.
    """
    lower = list(map(bytes.lower, tokens))
    up = np.fromiter(map(le, lower, lower[1:]), np.bool_, len(lower) - 1)
    down = np.fromiter(map(ge, lower, lower[1:]), np.bool_, len(lower) - 1)
    return _in_runs(up) | _in_runs(down)


def _in_runs(steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the len(steps) + 1 places lie in a run of steps that joins SORTED_RUN places or more."""
    edges = np.diff(np.concatenate([[0], steps.astype(np.int8), [0]]))
    inside = np.zeros(len(steps) + 2, np.int64)
    begins, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = stops - begins + 1 >= SORTED_RUN
    np.add.at(inside, begins[long], 1)
    np.add.at(inside, stops[long] + 1, -1)
    return np.cumsum(inside)[:-1] > 0


def _is_joined(token: bytes, ids: Mapping[bytes, int]) -> bool:
    own, pieces = ids[token], _pieces(token)
    pairs = zip(pieces[::2], pieces[1::2], strict=True)
    return any(ids.get(one, own) < own and ids.get(other, own) < own for one, other in pairs)


def _pieces(token: bytes) -> list[bytes]:
    """Both sides of every cut of a token, in turn; empty for tokens longer than `MOST_JOINED`."""
    if len(token) > MOST_JOINED:
        return []
    return [piece for cut in range(1, len(token)) for piece in (token[:cut], token[cut:])]


def _lead(token: bytes) -> int:
    return 0 if token.isascii() else next(byte for byte in token if byte > 0x7F)


def _at(text: NDArray[np.uint8], places: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The byte at each place, 0 for empty tokens."""
    found = np.zeros(len(places), np.uint8)
    held = lengths > 0
    found[held] = text[places[held]]
    return found


def _counted(flags: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the bytes of each token have the flag."""
    sums = np.zeros(len(flags) + 1, np.int32)  # of bytes: a vocabulary of over 2 GB is refused
    np.cumsum(flags, dtype=np.int32, out=sums[1:])
    counted: NDArray[np.int64] = sums[ends] - sums[starts]
    return counted


def _repeats(text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which tokens are only blanks, or one repeated byte, (n,)."""
    blank = _counted(_IS_BLANK[text], starts, ends) == ends - starts
    changes = np.concatenate([[False], text[1:] != text[:-1]]) if len(text) else np.zeros(0, np.bool_)
    same = _counted(changes, np.minimum(starts + 1, ends), ends) == 0
    repeated: NDArray[np.bool_] = blank | same
    return repeated
