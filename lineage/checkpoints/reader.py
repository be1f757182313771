"""What a file format has to offer to be read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lineage.checkpoints.bytes import PositionedFile
from lineage.types import TensorView

HEAD = 64  # bytes that a reader sees before it says yes or no


@dataclass(frozen=True, slots=True)
class Contents:
    """The tensors of one file, and (name, reason) of those that are not weights."""

    format: str
    tensors: tuple[TensorView, ...]
    left_out: tuple[tuple[str, str], ...] = ()


class Reader(Protocol):
    """One file format. A new one is a module with such a class and its line in `formats.READERS`."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (64 bytes, fewer in a shorter file) is of this format."""

    def read(self, file: PositionedFile) -> Contents:
        """List the tensors without reading their values. Raises CheckpointError."""
