"""What a file format has to offer to be read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lineage.checkpoints.bytes import PositionedFile
from lineage.types import Declared, TensorView

HEAD = 64  # bytes that a reader sees before it says yes or no


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of its model, where other formats have a config.json and a card beside them."""

    config: Mapping[str, Any]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """The tensors of one file, and (name, reason) of those that are left out: no weights, or not read.

    `unread` counts the values of weights that are not read, as far as their shapes are known; `beside` is the size in
    bytes of further files that the tensors lie in.
    """

    format: str
    tensors: tuple[TensorView, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    facts: Facts | None = None
    beside: int = 0
    unread: int = 0


class Reader(Protocol):
    """One file format. A new one is a module with such a class and its line in `formats.READERS`."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (64 bytes, fewer in a shorter file) is of this format."""

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors without reading their values. Raises CheckpointError."""
