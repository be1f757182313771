"""Tokenizers: what a file holds, what is kept of it, and the comparison of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TokenKind = Literal["bytes", "characters", "digits", "repeats", "reserved"]
"""Tokens that every trainer writes alike, or that a person chose; the others are ordinary."""

TokenizerRelation = Literal[
    "identical", "extended", "pruned", "replaced", "reordered", "merged", "siblings", "independent", "inconclusive"
]
"""How two vocabularies are related, reserved tokens aside.

`extended`: one keeps the order of the other and has more. `pruned`: one is a subset of the other, in its order.
`replaced`: the ids of some tokens went to others. `reordered`: the same tokens in another order. `merged`: one
has all tokens of the other, those that a third one lacked in its order. `siblings`: a common part in one order, and own
tokens on both sides. `inconclusive`: too few tokens in common to tell.
"""

TokenizerBasis = Literal["behind", "subset", "reserved", "fixed"]
"""What a direction rests on.

`behind`: what was added stands behind the rest and differs from what stands before it. `subset`: tokens of the other
are missing all over. `reserved`, `fixed`: nothing but reserved tokens, or blocks that every trainer writes, were added.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The tokens of one tokenizer file, in the order of their ids.

    `tokens` are bytes as a text has them, a word that begins after a space with that space; `ids` (n,) int64 ascend.
    `marked` (n,) bool: which tokens the file itself marks as special, added or unused. `special` are those and all that
    look like it, as the file writes them, with their ids; None where the format has no place for special tokens.
    `pattern` is the regular expression that splits text first, as the file gives it; it is never run.
    """

    name: str
    path: str
    format: str
    algorithm: str | None
    tokens: tuple[bytes, ...]
    ids: NDArray[np.int64]
    marked: NDArray[np.bool_]
    special: tuple[tuple[str, int], ...] | None
    pattern: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TokenizerSketch:
    """What is kept of a tokenizer, at most 64 KB; see section 12 of index/FORMAT.md.

    `size` counts all tokens, `ordinary` those that are compared, `fixed` the others by kind. `digest` is of the
    ordinary tokens in the order of their ids, `content` of them as a set. The sample: `hashes` (k,) uint64 ascend, the
    least there are; `ids` (k,) uint32; `marks` (k, 3) uint8: length in characters, its highest bit set where the token
    lies in a stretch that is sorted as text; the first byte that is not ASCII, or 0; and 1 where the token is two
    tokens of lower ids. `runs` (a, 6) uint32 are the
    lower halves of the hashes of the six ordinary tokens that follow each of the first a, 0 behind the last.
    `minhash` (128,) uint32 is for datasketch. `special` (s,) uint32 are hashes of the special tokens, None where the
    format has no place for them; `special_names` are the first few, with their ids.
    """

    family: str
    name: str
    path: str
    format: str
    algorithm: str | None
    size: int
    ordinary: int
    fixed: tuple[tuple[TokenKind, int], ...]
    digest: str
    content: str
    hashes: NDArray[np.uint64]
    ids: NDArray[np.uint32]
    marks: NDArray[np.uint8]
    runs: NDArray[np.uint32]
    minhash: NDArray[np.uint32]
    special: NDArray[np.uint32] | None
    special_names: tuple[tuple[str, int], ...] = ()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class OrderTest:
    """Whether shared tokens come in one order in two vocabularies, their common trend removed.

    `tested` of the shared sample entered. `z` is of all of them, standardised over every order within windows of four;
    `log10_p` is an upper bound on the one-sided chance of all or of a stretch at an end, corrected for these tries and
    for `hypotheses`. `reach` is the share of these tokens that, in one
    order, would have been seen with 99% power; above 1 where none would.
    """

    tested: int
    z: float | None
    log10_p: float
    reach: float
    hypotheses: int = 1


@dataclass(frozen=True, slots=True)
class Overlap:
    """Tokens in common, from the sample that two sketches share: shown, never evidence.

    `a` and `b` are sampled tokens of each, `shared` are those of both, `core` those of both that come in one order.
    `shared_tokens`, `core_tokens` estimate how many that are of all.
    """

    a: int
    b: int
    shared: int
    core: int
    shared_tokens: int
    core_tokens: int

    @property
    def of_a(self) -> float:
        """The share of the first vocabulary that the second has, 0..1."""
        return self.shared / self.a if self.a else 0.0

    @property
    def of_b(self) -> float:
        """The share of the second vocabulary that the first has, 0..1."""
        return self.shared / self.b if self.b else 0.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of `anchors` sampled in both, at how many the next ordinary token of one is among the next six of the other."""

    kept: int
    anchors: int


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Special tokens of both, and of one only."""

    shared: int
    only_a: int
    only_b: int


@dataclass(frozen=True, slots=True)
class TokenizerComparison:
    """Two tokenizers compared; `a` is the one that was asked about.

    `parent` is "a" or "b" where the order gives a direction, `basis` says why. `own_a` and `own_b` estimate the tokens
    outside the common order, those of them `behind` it among these. `aligned` is the share of the tokens in common
    order whose ids differ by one and the same number, mostly 0. `reach` is the share of either vocabulary that could
    have come from the other, in its order, without being seen. `special` is None where a format has no place for them,
    `same_pattern` where one file gives none. `left_out` counts the fixed tokens of both by kind, not compared.
    """

    a: str
    b: str
    relation: TokenizerRelation
    parent: Literal["a", "b"] | None
    basis: TokenizerBasis | None
    order: OrderTest
    overlap: Overlap
    neighbours: Neighbours
    own_a: int
    own_b: int
    behind_a: int
    behind_b: int
    aligned: float | None
    reach: float
    special: SpecialTokens | None
    same_pattern: bool | None
    left_out: tuple[tuple[TokenKind, int, int], ...]
