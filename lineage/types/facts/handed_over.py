"""Sketches that were handed over: what an answer knows only from their senders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact

Figure = Literal["values", "units", "sums", "statistics", "row-codes", "neurons"]


@dataclass(frozen=True, slots=True)
class OwnWeightsUnseen(Fact):
    """What was asked about is itself a sketch that was handed over."""

    id: ClassVar[str] = "own-weights-unseen"


@dataclass(frozen=True, slots=True)
class WeightsUnseen(Fact):
    """Models that an answer names and that are known only by sketches that were handed over; ids and names."""

    id: ClassVar[str] = "weights-unseen"
    models: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimContradicted(Fact):
    """A sketch in an index that has the id of the model asked about, and cannot be of the same weights: left out.

    `by_weights` means that those weights were read; if not, either of the two may be the false one.
    """

    id: ClassVar[str] = "claim-contradicted"
    model: str
    name: str
    figure: Figure
    by_weights: bool
