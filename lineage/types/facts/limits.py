"""What a search looked for, and what it does not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact


@dataclass(frozen=True, slots=True)
class LookedFor(Fact):
    """A way to make one model from another that would have been found."""

    id: ClassVar[str] = "looked-for"
    change: Literal[
        "copy", "rounding", "pruning", "tuning", "layers", "vocabulary", "row-order", "component", "merge",
        "adapter-merge", "adapter-copy", "disguise",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NotTested(Fact):
    """A way to make one model from another that was not looked for, or that leaves no trace in weights."""

    id: ClassVar[str] = "not-tested"
    what: Literal[
        "merge", "hidden-units", "hidden-elsewhere", "distillation", "absent-parent", "outside-sample",
        "adapter-direction", "dora-merge",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class OtherVersion(Fact):
    """Models of the index that another version sketched, which a search does not see."""

    id: ClassVar[str] = "other-version"
    models: int


@dataclass(frozen=True, slots=True)
class UnopenedModels(Fact):
    """Models large enough for an adapter whose shapes were not examined."""

    id: ClassVar[str] = "unopened-models"
    models: int


@dataclass(frozen=True, slots=True)
class WholeTensors(Fact):
    """Whole tensors of an adapter, which replace the base's."""

    id: ClassVar[str] = "whole-tensors"
    tensors: int
