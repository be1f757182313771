"""An opened checkpoint: tensors that are not yet read, and what its files declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from lineage.types.facts.exclusions import Exclusion
from lineage.types.words import AnyArray

SUB_MODELS = "sub_models"
"""The key of a config under which the configs of the models of a pipeline lie, by name."""


class FileSpan(NamedTuple):
    """Bytes [start, stop) of an opened file."""

    file: object
    start: int
    stop: int


Spans = Callable[[int, int], Iterable[FileSpan]]
"""Where the bytes that a band [start, stop) begins with lie in files, as far as that is known."""


def nowhere(_start: int, _stop: int) -> tuple[FileSpan, ...]:
    """The spans of a view of which they are not known."""
    return ()


@dataclass(frozen=True, slots=True)
class TensorView:
    """One tensor of a checkpoint, not yet read.

    `rows(start, stop)` reads the band `[start, stop)` of the first axis and returns it in the storage
    dtype (ml_dtypes for bf16, fp8, fp6 and fp4), shape `(stop - start, *shape[1:])`; a scalar has one row.
    It may be called from several threads and raises CheckpointError for damaged bytes. `spans(start, stop)` tells where
    the bytes of that band lie, for who fetches them before they are read: it is a hint, which reads nothing.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[int, int], AnyArray]
    storage: str  # equal for two views of the same bytes (tied weights)
    encoding: str | None = None  # how the values are stored, where that is not simply the dtype
    spans: Spans = nowhere


@dataclass(slots=True)
class Meter:
    """How many bytes have been read from disk or network so far."""

    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Declared:
    """What a card, config or catalogue says about ancestry: a fact about the text, never evidence."""

    model: str
    relation: str | None
    source: str


class ReadAhead(Protocol):
    """The hints that a checkpoint on a server accepts: what will be read soon, and that nothing more will be.

    `connections` threads may read at a time.
    """

    connections: int

    def expect(self, bands: Iterable[tuple[TensorView, int, int]]) -> None:
        """Announce the bands (view, start, stop) that will be read, roughly in this order."""

    def stop(self) -> None:
        """Cancel every waiting read, which then raises CheckpointError."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened model: its tensors in a stable order and what its side files say.

    `left_out` names tensors that are not weights (optimizer state, training counters) or not read, with the reason;
    `unread` counts the values of weights among them, as far as their shapes are known.
    `config` is the parsed config.json of the folder, empty without one. `files` are the paths of the files that
    were opened for weights; files that these refer to are not among them, but count in `nbytes`.
    """

    name: str
    path: str
    format: str
    tensors: tuple[TensorView, ...]
    nbytes: int
    meter: Meter
    config: Mapping[str, Any] = field(default_factory=dict)
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    left_out: tuple[tuple[str, Exclusion], ...] = ()
    unread: int = 0
    ahead: ReadAhead | None = None  # where the bytes come from a server
    files: tuple[str, ...] = ()
