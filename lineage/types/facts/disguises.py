"""How the disguise of a model was undone, and what was found beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact
from lineage.types.facts.cues import Side
from lineage.types.relations import Relation

Basis = Literal["permuted", "rotated", "changed", "channels"]
Uncovered = Literal[
    Relation.RE_ENCODED,
    Relation.QUANTIZED,
    Relation.PRUNED,
    Relation.FINE_TUNED,
    Relation.CONTINUED_PRETRAINING,
    Relation.VOCABULARY_CHANGED,
    Relation.DEPTH_CHANGED,
    Relation.WIDTH_PRUNED,
    Relation.EXPERT_UPCYCLED,
]
"""The relations that can be recognised beneath a disguise."""


@dataclass(frozen=True, slots=True)
class SameNeurons(Fact):
    """Neurons in other places, or in another basis, act on the inputs as those of the other side do.

    Of the neurons that were kept of `layers` layers, `paired` is the share that was matched, `moved` the share of
    these that have another number.
    """

    id: ClassVar[str] = "same-neurons"
    layers: int
    paired: float
    moved: float


@dataclass(frozen=True, slots=True)
class UndoneBasis(Fact):
    """The residual stream is in another basis: its channels in another order, or rotated; `changed` if either.

    `channels` are those of the layers of a network without such a stream, in another order.
    """

    id: ClassVar[str] = "undone-basis"
    how: Basis


@dataclass(frozen=True, slots=True)
class UndoneScales(Fact):
    """Scales moved from the input matrix of a neuron to its output matrix; `spread` is that of their logarithm."""

    id: ClassVar[str] = "undone-scales"
    spread: float


@dataclass(frozen=True, slots=True)
class UndoneGains(Fact):
    """The gains of norms, which one of the two has, are folded into the matrices after them in the other."""

    id: ClassVar[str] = "undone-gains"


@dataclass(frozen=True, slots=True)
class FoldedGains(Fact):
    """The gains of the norms of one side are folded away, which shows that it came later: all are one constant."""

    id: ClassVar[str] = "folded-gains"
    side: Side


@dataclass(frozen=True, slots=True)
class Beneath(Fact):
    """How one model relates to the other once the disguise is undone."""

    id: ClassVar[str] = "beneath-disguise"
    relation: Uncovered
