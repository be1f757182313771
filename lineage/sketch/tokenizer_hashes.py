"""Hashes of many byte strings at once: the same on every machine, see section 12.2 of index/FORMAT.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.signs import mix64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_WORD = 8  # bytes


def token_hashes(tokens: Sequence[bytes]) -> NDArray[np.uint64]:
    """One hash each, uint64 (len(tokens),): SplitMix64's finaliser over the length and the words of eight bytes.

    A call of BLAKE3 for each of 256,000 tokens takes a second; this takes a tenth. It is not a cryptographic hash:
    the author of a vocabulary can make tokens collide, but could just as well copy the tokens.
    """
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    counts = -(-lengths // _WORD)
    starts = np.cumsum(counts) - counts
    words = _padded(b"".join(tokens), lengths, starts, int(counts.sum()))
    hashes = mix64(lengths.astype(np.uint64) * _GOLDEN)
    longest = np.argsort(-counts, kind="stable")  # those with a word j are a prefix of this
    remaining = len(tokens) - np.searchsorted(np.sort(counts), np.arange(counts.max(initial=0)), side="right")
    for j, many in enumerate(remaining.tolist()):
        at = longest[:many]
        hashes[at] = mix64((hashes[at] ^ words[starts[at] + j]) * _GOLDEN)
    return hashes


def _padded(text: bytes, lengths: NDArray[np.int64], starts: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
    """The words of all tokens, each beginning at its place in `starts`, zeros behind its bytes."""
    made = np.zeros(count * _WORD, np.uint8)
    shifts = starts * _WORD - (np.cumsum(lengths) - lengths)  # how far each token moves to begin with a word
    made[np.arange(len(text)) + np.repeat(shifts, lengths)] = np.frombuffer(text, np.uint8)
    return made.view("<u8").astype(np.uint64)
