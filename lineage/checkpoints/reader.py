"""What a file format has to offer to be read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lineage.checkpoints.decode.pieces import Piece
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.types import Declared, TensorView
from lineage.types.facts.exclusions import Exclusion

HEAD = 64  # bytes that a reader sees before it says yes or no


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file declares about its model, for formats without a config.json and a card beside them."""

    config: Mapping[str, Any]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Part `number` (from 0) of `count`."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The tensors of one file, and (name, reason) of those that are not weights.

    `beside` is the size in bytes of further files that the tensors lie in. `pieces` are parts of tensors whose other
    parts lie in other files, `split` is which part of a model in several files this one is, `unread` are (packing,
    number of values) of what is not read.
    """

    format: str
    tensors: tuple[TensorView, ...]
    left_out: tuple[tuple[str, Exclusion], ...] = ()
    facts: Facts | None = None
    beside: int = 0
    pieces: tuple[Piece, ...] = ()
    split: Split | None = None
    unread: tuple[tuple[Exclusion, int], ...] = ()


class Reader(Protocol):
    """One file format. A new one is a module with such a class and its line in `formats.listing`."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (64 bytes, fewer in a shorter file) is of this format."""

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors without reading their values. Raises CheckpointError."""
