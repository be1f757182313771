"""Which file of an index a sketch was read from, for as long as it has everything of it that a comparison looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lineage.types import CheckpointSketch, TensorSketch


class FiledTensors(tuple[TensorSketch, ...]):
    """The tensors of a sketch as they were read, which know the checksum of its file and what else was read."""

    checksum: bytes
    beside: tuple[Any, ...]


def filed(sketch: CheckpointSketch, checksum: bytes) -> CheckpointSketch:
    """The sketch, read from a file of that checksum."""
    tensors = FiledTensors(sketch.tensors)
    tensors.checksum, tensors.beside = checksum, _beside(sketch)
    return replace(sketch, tensors=tensors)


def file_checksum(sketch: CheckpointSketch) -> bytes | None:
    """The checksum of the file of an index that holds just what a comparison looks at; None if there is no such file.

    Names, declared parents and the like may be others; tensors that were taken out or laid out anew may not.
    """
    tensors = sketch.tensors
    return tensors.checksum if isinstance(tensors, FiledTensors) and tensors.beside == _beside(sketch) else None


def _beside(sketch: CheckpointSketch) -> tuple[Any, ...]:
    """What a comparison looks at beside the tensors; neurons are compared by identity."""
    said = sketch.id, sketch.family, sketch.depth, sketch.format, sketch.architecture, sketch.left_out, sketch.unread
    return *said, sketch.neurons
