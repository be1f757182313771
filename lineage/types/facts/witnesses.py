"""What a tokenizer and a configuration show; neither is evidence about the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact
from lineage.types.settings import ConfiguredPart
from lineage.types.tokenizers import TokenizerBasis, TokenKind

TokenizerStanding = Literal[
    "reordered", "replaced", "siblings", "independent", "inconclusive", "begun-alike",
    "extended-from", "pruned-from", "merged-from", "base-of", "pruned-into", "merged-into",
]  # fmt: skip
"""A relation of two tokenizers with its direction, where they are not the same list."""


@dataclass(frozen=True, slots=True)
class EqualTokenizers(Fact):
    """The same tokens in the same order as the other's; `but_special` where their special tokens differ."""

    id: ClassVar[str] = "equal-tokenizers"
    other: str
    but_special: bool


@dataclass(frozen=True, slots=True)
class TokenizerStands(Fact):
    """How a tokenizer relates to another."""

    id: ClassVar[str] = "tokenizer-stands"
    other: str
    standing: TokenizerStanding


@dataclass(frozen=True, slots=True)
class OwnTokenizer(Fact):
    """A tokenizer that is related to none of `known`; of these `other` has the largest share of its tokens."""

    id: ClassVar[str] = "own-tokenizer"
    other: str
    shared: float
    known: int


@dataclass(frozen=True, slots=True)
class UnclearTokenizer(Fact):
    """Too little was tested to say how a tokenizer relates to `other`, the nearest of `known`."""

    id: ClassVar[str] = "unclear-tokenizer"
    other: str
    known: int


@dataclass(frozen=True, slots=True)
class KnownTokenizer(Fact):
    """A tokenizer related to one of `known`: about `tokens` in the same order, `own` of its own."""

    id: ClassVar[str] = "known-tokenizer"
    other: str
    standing: TokenizerStanding
    tokens: int
    log10_p: float
    known: int
    own: int


@dataclass(frozen=True, slots=True)
class SharedTokens(Fact):
    """Shares of each vocabulary that the other has, beside what tokenizers that were trained apart share."""

    id: ClassVar[str] = "shared-tokens"
    of_this: float
    of_other: float
    tokens: int
    most: float
    median: float


@dataclass(frozen=True, slots=True)
class TokensInOrder(Fact):
    """How many of the shared tokens come in one order, with its test."""

    id: ClassVar[str] = "tokens-in-order"
    tokens: int
    z: float
    log10_p: float
    kept: int
    anchors: int


@dataclass(frozen=True, slots=True)
class TokenOrder(Fact):
    """The test of the order of shared tokens, where no relation was found."""

    id: ClassVar[str] = "token-order"
    z: float
    log10_p: float
    kept: int
    anchors: int


@dataclass(frozen=True, slots=True)
class OwnTokens(Fact):
    """Tokens outside the common order, of one side; `behind` of them come after it."""

    id: ClassVar[str] = "own-tokens"
    side: Literal["this-tokenizer", "other"]
    tokens: int
    behind: int


@dataclass(frozen=True, slots=True)
class UnseenTokens(Fact):
    """The share of a vocabulary that would have been seen, had it come from the other."""

    id: ClassVar[str] = "unseen-tokens"
    reach: float


@dataclass(frozen=True, slots=True)
class TokenDirection(Fact):
    """Why one of two tokenizers came first."""

    id: ClassVar[str] = "token-direction"
    basis: TokenizerBasis


@dataclass(frozen=True, slots=True)
class SpecialTokensShared(Fact):
    """Special tokens of both, and of one only."""

    id: ClassVar[str] = "special-tokens"
    shared: int
    only_this: int
    only_other: int


@dataclass(frozen=True, slots=True)
class TextsCut(Fact):
    """Whether text is split by the same expression."""

    id: ClassVar[str] = "texts-cut"
    same: bool


@dataclass(frozen=True, slots=True)
class TokensLeftOut(Fact):
    """Tokens of a kind that all trainers write alike or people choose, which were not compared."""

    id: ClassVar[str] = "tokens-left-out"
    kind: TokenKind
    of_this: int
    of_other: int


@dataclass(frozen=True, slots=True)
class TokenizersAreShared(Fact):
    """A shared tokenizer is common."""

    id: ClassVar[str] = "tokenizers-are-shared"


@dataclass(frozen=True, slots=True)
class NearestSettings(Fact):
    """`equal` of `of` settings of a part are those of `model`, the nearest of `known` published ones."""

    id: ClassVar[str] = "nearest-settings"
    part: ConfiguredPart
    model: str
    equal: int
    of: int
    known: int


@dataclass(frozen=True, slots=True)
class RareSetting(Fact):
    """The setting in common that the fewest published configurations have: `models` of the `of` that give it."""

    id: ClassVar[str] = "rare-setting"
    name: str
    value: str
    models: int
    of: int


@dataclass(frozen=True, slots=True)
class DeclaredType(Fact):
    """What a configuration says that a part is: a declaration."""

    id: ClassVar[str] = "declared-type"
    part: ConfiguredPart
    model_type: str


@dataclass(frozen=True, slots=True)
class SettingsAreShared(Fact):
    """Equal settings are common."""

    id: ClassVar[str] = "settings-are-shared"
