"""Why a tensor is not evidence, or was not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lineage.types.facts import Fact


@dataclass(frozen=True, slots=True)
class Exclusion(Fact):
    """A reason to leave a tensor out."""


@dataclass(frozen=True, slots=True)
class FixedTable(Exclusion):
    """Values that a formula made: equal in models that have nothing to do with each other."""

    id: ClassVar[str] = "fixed-table"
    table: Literal[
        "constant", "causal-mask", "counter", "counter-or-positions", "evenly-spaced", "geometric-series", "window",
        "one-hot", "zero-one-mask", "position-ids", "position-index-or-mask", "rotary-table", "sinusoidal-positions",
        "stft-basis", "cosine-basis", "mel-filterbank", "constant-q-basis", "prior-boxes",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NotAWeight(Exclusion):
    """Something else that lies in checkpoints: state of the training, settings, text."""

    id: ClassVar[str] = "not-a-weight"
    what: Literal[
        "optimizer-state", "training-counter", "training-metric", "moving-average", "random-state", "prune-mask",
        "spectral-vector", "rotary-factors", "setting", "quantisation-scales", "single-number", "integers",
        "integers-or-truth-values", "integers-of-graph", "numbers-of-graph", "repeated-value", "repeated-view",
        "saved-twice", "link", "text", "text-or-dates", "text-or-records", "objects-or-text", "never-written",
        "no-elements", "infinities", "not-in-shard-index", "extreme-values",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AdapterPart(Exclusion):
    """A tensor of an adapter: not a factor of a change, or one beside weights that it is not merged into."""

    id: ClassVar[str] = "adapter-part"
    part: Literal[
        "dora-magnitude", "added-bias", "token-rows", "copy-of-base", "base-weight", "whole-change",
        "decomposed-factor", "no-factor", "unmerged-factor", "trained-in-place",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NotRead(Exclusion):
    """Weights, perhaps, in a form that this version does not read."""

    id: ClassVar[str] = "not-read"
    form: Literal[
        "coreml-compressed", "awq-codes", "int8-without-scales", "sliced-variable", "codes-without-range",
        "unknown-type", "foreign-layer", "nested-tensor", "meta-tensor", "foreign-device", "wrapped-tensor",
        "array-in-pickle", "old-torchscript", "unknown-quantisation", "sparse-layout", "sparse-tensor",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnreadPacking(Exclusion):
    """A weight in a packing that is known by its parts, but not read."""

    id: ClassVar[str] = "unread-packing"
    packing: str


@dataclass(frozen=True, slots=True)
class UnreadType(Exclusion):
    """Values of a type that this version does not read, as the file writes it."""

    id: ClassVar[str] = "unread-type"
    dtype: str


@dataclass(frozen=True, slots=True)
class UnreadWrapper(Exclusion):
    """A torch tensor of a class that wraps others."""

    id: ClassVar[str] = "unread-wrapper"
    wrapper: str


@dataclass(frozen=True, slots=True)
class UnreadTokenizer(Exclusion):
    """A tokenizer beside the weights that cannot be read, with what its reader says of the file."""

    id: ClassVar[str] = "unread-tokenizer"
    problem: str


@dataclass(frozen=True, slots=True)
class NotFinite(Exclusion):
    """Damaged values: not numbers, or numbers that float32 cannot hold."""

    id: ClassVar[str] = "not-finite"
    count: int
    beyond_float32: bool


@dataclass(frozen=True, slots=True)
class Stated(Exclusion):
    """A reason in the words of whoever wrote the file: another version, or the reader of another package."""

    id: ClassVar[str] = "stated"
    words: str


@dataclass(frozen=True, slots=True)
class Vector(Exclusion):
    """A gain, bias or fitted constant: these agree between unrelated networks."""

    id: ClassVar[str] = "vector"


@dataclass(frozen=True, slots=True)
class OtherOrder(Exclusion):
    """Rows or values that lie in another order: they are tested by the rows, not by z."""

    id: ClassVar[str] = "other-order"
