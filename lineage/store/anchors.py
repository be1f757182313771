"""The tokenizers of the models of a segment, found by tokens that follow one another.

A sketch stores the successors of the tokens with the least hashes (its anchors). In independently trained tokenizers
hardly any anchor has the same successor, in related ones many have: a list of all anchors by hash gives the sketches to
open. A MinHash of tokens would not work, since unrelated tokenizers share most of their tokens. Models share
tokenizers: the length of the list depends on the number of different tokenizers, not of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import TOKENS_BEHIND

if TYPE_CHECKING:
    from lineage.types import Neighbours, TokenizerSketch

VOCABULARY = np.dtype([("digest", "S32"), ("content", "S32")])
ANCHOR = np.dtype([("anchor", "<u8"), ("vocabulary", "<u4"), ("run", "<u4", (TOKENS_BEHIND,))])
KIND = np.dtype([("vocabulary", "<u4"), ("special", "<u8")])
HOLDER = np.dtype([("kind", "<u4"), ("model", "<u4")])

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tokenizers:
    """The different tokenizers of some models, and which models have them.

    `vocabularies` (v,) have a digest of what is kept here of their order, and that of their tokens as a set, both
    hexadecimal; `anchors` (m,) a hash, the place of its vocabulary and what follows, in the order of hashes; `kinds`
    (t,) the place of a vocabulary and a digest of special tokens, since these tell copies apart; `holders` (k,) the
    places of a kind and of a model, in that order.
    """

    vocabularies: Array
    anchors: Array
    kinds: Array
    holders: Array

    @property
    def arrays(self) -> tuple[tuple[Array, np.dtype[Any]], ...]:
        """Each with its type, as stored in a file."""
        return (
            (self.vocabularies, VOCABULARY),
            (self.anchors, ANCHOR),
            (self.kinds, KIND),
            (self.holders, HOLDER),
        )

    def fits(self, models: int) -> bool:
        """Whether kinds name vocabularies that are there, and the rest could be, where there are so many models."""
        held = len(self.vocabularies)
        has_ends = (held or not len(self.anchors)) and ((len(self.kinds) and models) or not len(self.holders))
        return bool(has_ends) and (not len(self.kinds) or int(self.kinds["vocabulary"].max()) < held)

    def names(self) -> list[tuple[bytes, int]]:
        """The identity of each kind, the same in every segment."""
        digests = self.vocabularies["digest"][self.kinds["vocabulary"]]
        return list(zip(digests.tolist(), self.kinds["special"].tolist(), strict=True))

    def of(self, kind: int) -> Array:
        """Places of the models that have a kind."""
        begin, end = (int(np.searchsorted(self.holders["kind"], kind, side=side)) for side in ("left", "right"))
        return np.asarray(self.holders["model"][begin:end])

    def near(self, asked: TokenizerSketch) -> list[tuple[Neighbours, bool]]:
        """For each kind, at how many anchors neighbours are kept, and whether it has the same tokens.

        The same as `match.tokenizers.shared.neighbours` counts, for all of them at once.
        """
        anchors = asked.hashes[: len(asked.runs)]
        begin, end = (np.searchsorted(self.anchors["anchor"], anchors, side=side) for side in ("left", "right"))
        found = np.repeat(np.arange(len(anchors)), end - begin)
        places = np.arange(len(found)) + np.repeat(begin - (np.cumsum(end - begin) - (end - begin)), end - begin)
        ours, theirs = asked.runs[found], self.anchors["run"][places]
        inside = (ours[:, 0] != 0) & (theirs[:, 0] != 0)
        kept = inside & ((ours == theirs[:, :1]).any(axis=1) | (theirs == ours[:, :1]).any(axis=1))
        count = len(self.vocabularies)
        owners = np.minimum(self.anchors["vocabulary"][places].astype(np.int64), count - 1)
        tested, same = (np.bincount(owners[flags], minlength=count) for flags in (inside, kept))
        is_same = self.vocabularies["content"] == asked.content.encode()
        from lineage.types import Neighbours

        return [(Neighbours(int(same[i]), int(tested[i])), bool(is_same[i])) for i in self.kinds["vocabulary"].tolist()]


def tokenizers_of(sketch: TokenizerSketch | None) -> Tokenizers:
    """Those of one model, in its place 0.

    The digest covers what is kept, so that a sketch that was handed over with the digest of another is one of its own.
    """
    if sketch is None:
        return Tokenizers(*(np.zeros(0, dtype) for dtype in (VOCABULARY, ANCHOR, KIND, HOLDER)))
    anchors = np.zeros(len(sketch.runs), ANCHOR)
    anchors["anchor"], anchors["run"] = sketch.hashes[: len(sketch.runs)], sketch.runs
    digest = blake3(sketch.digest.encode() + anchors.tobytes()).hexdigest(16).encode()
    special = b"" if sketch.special is None else b"\0" + sketch.special.astype("<u4").tobytes()
    kind = (0, int.from_bytes(blake3(special).digest(8), "little"))
    vocabulary = np.array([(digest, sketch.content.encode())], VOCABULARY)
    return Tokenizers(vocabulary, anchors, np.array([kind], KIND), np.zeros(1, HOLDER))


def joined(parts: Sequence[Tokenizers], numbers: Sequence[NDArray[np.int32]]) -> Tokenizers:
    """Those of several segments in one; `numbers` has for each of their models the new place, -1 if it is dropped."""
    parts = [_renumbered(part, places) for part, places in zip(parts, numbers, strict=True)]
    if not any(len(part.holders) for part in parts):
        return tokenizers_of(None)
    _shift(parts)
    vocabularies, anchors, kinds, holders = (
        np.concatenate([np.zeros(0, dtype), *(part.arrays[i][0] for part in parts)])
        for i, dtype in enumerate((VOCABULARY, ANCHOR, KIND, HOLDER))
    )
    used = np.unique(kinds["vocabulary"][np.unique(holders["kind"])])
    _, first, same = np.unique(vocabularies["digest"][used], return_index=True, return_inverse=True)
    number = np.zeros(len(vocabularies), np.uint32)
    number[used] = same
    anchors = anchors[np.isin(anchors["vocabulary"], used[first])]
    for array in (anchors, kinds):
        array["vocabulary"] = number[array["vocabulary"]]
    of_holders = kinds[holders["kind"]]
    kinds, holders["kind"] = np.unique(of_holders, return_inverse=True)
    return Tokenizers(
        vocabularies[used[first]],
        anchors[np.lexsort((anchors["vocabulary"], anchors["anchor"]))],
        kinds,
        holders[np.lexsort((holders["model"], holders["kind"]))],
    )


def _renumbered(part: Tokenizers, places: NDArray[np.int32]) -> Tokenizers:
    """A copy whose holders have their new places, without those that are dropped."""
    now = places[part.holders["model"]]
    holders = part.holders[now >= 0]
    holders["model"] = now[now >= 0]
    return Tokenizers(part.vocabularies, part.anchors.copy(), part.kinds.copy(), holders)


def _shift(parts: Sequence[Tokenizers]) -> None:
    """Have the places of each part count from the first of all."""
    vocabularies = kinds = 0
    for part in parts:
        part.anchors["vocabulary"] += vocabularies
        part.kinds["vocabulary"] += vocabularies
        part.holders["kind"] += kinds
        vocabularies += len(part.vocabularies)
        kinds += len(part.kinds)
