"""Changes that were found in a model or a component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lineage.types.facts import Fact


@dataclass(frozen=True, slots=True)
class ProjectedOut(Fact):
    """One direction was projected out of some matrices."""

    id: ClassVar[str] = "projected-out"
    matrices: int


@dataclass(frozen=True, slots=True)
class LowRank(Fact):
    """The difference of some matrices has one low rank, as that of a merged adapter has."""

    id: ClassVar[str] = "low-rank"
    rank: int
    matrices: int


@dataclass(frozen=True, slots=True)
class LowRanks(Fact):
    """The differences have several low ranks: the commonest with its number of matrices, the largest, and all."""

    id: ClassVar[str] = "low-ranks"
    rank: int
    matrices: int
    largest: int
    of: int


@dataclass(frozen=True, slots=True)
class OtherFewBits(Fact):
    """Values of few bits, which rounding those of the other side does not give."""

    id: ClassVar[str] = "other-few-bits"


@dataclass(frozen=True, slots=True)
class UnchangedValues(Fact):
    """A share of the sampled values of tuned matrices did not change."""

    id: ClassVar[str] = "unchanged-values"
    share: float
    matrices: int


@dataclass(frozen=True, slots=True)
class EqualMatrices(Fact):
    """Some matrices were not tuned."""

    id: ClassVar[str] = "equal-matrices"
    equal: int
    of: int


@dataclass(frozen=True, slots=True)
class MovedTokens(Fact):
    """Rows of the token table lie in another order."""

    id: ClassVar[str] = "moved-tokens"
