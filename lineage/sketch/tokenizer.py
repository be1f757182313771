"""The sketch of a vocabulary: the tokens with the least hashes, their ids, and the successors of some of them."""

from __future__ import annotations

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import DIGEST_BYTES, TOKENS_BEHIND
from lineage.sketch.minhash import minhash
from lineage.sketch.tokenizer_hashes import token_hashes
from lineage.sketch.tokenizer_kinds import (
    KINDS,
    ORDINARY,
    SORTED,
    joined_from_earlier,
    lengths_and_scripts,
    sorted_as_text,
    token_kinds,
)
from lineage.types import TokenizerSketch, Vocabulary

TOKENIZER_FAMILY = "tokens-1"
"""Name and version of the scheme. Any change to a parameter or formula gives it a new name."""
SAMPLE = 3072  # tokens of least hash
ANCHORS = 448  # of these, for which what follows is kept
MOST_SPECIAL = 512  # special tokens by hash
MOST_NAMES, MOST_NAME = 16, 32  # special tokens by name, and characters of one


def sketch_tokenizer(vocabulary: Vocabulary) -> TokenizerSketch:
    """Sketch a vocabulary: at most 64 KB, the same bytes on every machine, in a second for 256,000 tokens."""
    kinds = token_kinds(vocabulary.tokens, vocabulary.marked)
    chosen = np.flatnonzero(kinds == ORDINARY)
    ordinary = [vocabulary.tokens[i] for i in chosen.tolist()]
    hashes, ids = token_hashes(ordinary), vocabulary.ids[chosen]
    apart, first = np.unique(hashes, return_index=True)  # of tokens that mean the same bytes, the lowest id
    sample, places = apart[:SAMPLE], first[:SAMPLE]
    is_sorted = sorted_as_text(ordinary)[places] if ordinary else np.zeros(0, np.bool_)
    chosen_tokens = [ordinary[i] for i in places.tolist()]
    shape = np.column_stack([lengths_and_scripts(chosen_tokens), joined_from_earlier(chosen_tokens, vocabulary, kinds)])
    return TokenizerSketch(
        family=TOKENIZER_FAMILY,
        name=vocabulary.name,
        path=vocabulary.path,
        format=vocabulary.format,
        algorithm=vocabulary.algorithm,
        size=len(vocabulary.tokens),
        ordinary=len(apart),
        fixed=tuple((kind, int(n)) for code, kind in enumerate(KINDS, 1) if (n := np.sum(kinds == code))),
        digest=_digest(hashes),
        content=_digest(apart),
        hashes=sample,
        ids=ids[places].astype(np.uint32),
        marks=shape | (is_sorted.astype(np.uint8) * SORTED)[:, None] * np.array([1, 0, 0], np.uint8),
        runs=_runs(hashes, places[:ANCHORS]),
        minhash=minhash(low_half(apart)),
        special=_special(vocabulary.special),
        special_names=tuple((text[:MOST_NAME], i) for text, i in (vocabulary.special or ())[:MOST_NAMES]),
        pattern=vocabulary.pattern,
    )


def low_half(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The lower 32 bits of each."""
    return (hashes & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _digest(hashes: NDArray[np.uint64]) -> str:
    return blake3(hashes.astype("<u8").tobytes()).hexdigest(length=DIGEST_BYTES)


def _runs(hashes: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The successors of each place, uint32 (len(places), TOKENS_BEHIND); 0 after the last ordinary token."""
    padded = np.concatenate([low_half(hashes), np.zeros(TOKENS_BEHIND, np.uint32)])
    runs: NDArray[np.uint32] = padded[places[:, None] + np.arange(1, TOKENS_BEHIND + 1)]
    return runs


def _special(special: tuple[tuple[str, int], ...] | None) -> NDArray[np.uint32] | None:
    if special is None:
        return None
    hashes = token_hashes([text.encode("utf-8", "replace") for text, _ in special])
    return np.unique(low_half(hashes))[:MOST_SPECIAL]
