"""How the values of a tensor are stored, or what was done to the values that it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact

Levels = Literal["int4", "int4-offset", "int8", "nf4", "fp4"]


@dataclass(frozen=True, slots=True)
class Scheme(Fact):
    """A way to store the values of a tensor in another form."""


@dataclass(frozen=True, slots=True)
class StoredAs(Scheme):
    """A data type, or an encoding of several words ("gguf q8_0"), as the file names it."""

    id: ClassVar[str] = "encoding"
    encoding: str


@dataclass(frozen=True, slots=True)
class FewBits(Scheme):
    """Levels of few bits that the values show; `group` neighbours share a scale, 0: a whole row, None: not known."""

    id: ClassVar[str] = "few-bits"
    levels: Levels
    group: int | None = None


@dataclass(frozen=True, slots=True)
class BlurredLevels(Scheme):
    """Levels of eight bits that a type of 16 bits blurred; `scales` is what one scale is for."""

    id: ClassVar[str] = "blurred-levels"
    levels: Literal["int8", "float8_e4m3fn"]
    scales: Literal["tensor", "row", "column", "part-of-row", "part-of-column"]
    dtype: str


@dataclass(frozen=True, slots=True)
class MoreZeros(Scheme):
    """A share of the values that are zero in this tensor only."""

    id: ClassVar[str] = "more-zeros"
    share: float


@dataclass(frozen=True, slots=True)
class UnitScales(Scheme):
    """Each unit is scaled by a number of its own, as when a batch norm was folded in."""

    id: ClassVar[str] = "unit-scales"


@dataclass(frozen=True, slots=True)
class OtherFactor(Scheme):
    """An adapter times another factor."""

    id: ClassVar[str] = "other-factor"
