"""Evidence for a direction: which of two models, the query ("this-model") or the reference, came first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact

Side = Literal["this-model", "reference"]


@dataclass(frozen=True, slots=True)
class Computable(Fact):
    """One side can be computed from the other, and not the other way round."""

    id: ClassVar[str] = "computable"
    coarser: Side
    by: Literal["rounding", "pruning", "quantising", "projection", "folding"]


@dataclass(frozen=True, slots=True)
class ExpertsOfOne(Fact):
    """One side has experts where the other has one MLP: experts are copied from it, not averaged into it."""

    id: ClassVar[str] = "experts-of-one"


@dataclass(frozen=True, slots=True)
class FewerUnits(Fact):
    """The units of one side are a subset of the other's."""

    id: ClassVar[str] = "fewer-units"
    narrower: Side


@dataclass(frozen=True, slots=True)
class GrownVocabulary(Fact):
    """Token tables of two sizes, in values, whose common rows are in place."""

    id: ClassVar[str] = "grown-vocabulary"
    values: int
    reference_values: int


@dataclass(frozen=True, slots=True)
class CopiedLayers(Fact):
    """One side has more layers, and those are copies of the other's."""

    id: ClassVar[str] = "copied-layers"
    deeper: Side


@dataclass(frozen=True, slots=True)
class FewerLayers(Fact):
    """The layers of one side are a subset of the other's."""

    id: ClassVar[str] = "fewer-layers"
    shallower: Side
    layers: int
    of: int


@dataclass(frozen=True, slots=True)
class ShrunkRows(Fact):
    """Rows of tokens that training never saw, scaled by weight decay."""

    id: ClassVar[str] = "shrunk-rows"
    side: Side
    factor: float


@dataclass(frozen=True, slots=True)
class SpreadGains(Fact):
    """Gains lie further apart on one side, by that share, as they do after more training."""

    id: ClassVar[str] = "spread-gains"
    side: Side
    by: float


@dataclass(frozen=True, slots=True)
class DeclaredParent(Fact):
    """A card or config names the other model: a prior, not a measurement."""

    id: ClassVar[str] = "declared-parent"
    source: str
    parent: str
