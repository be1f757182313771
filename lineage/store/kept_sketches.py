"""Sketches that were read, kept for the next question for as long as their files are as they were.

What is computed from a tensor is remembered with it (`lineage.match.cache`), so that a process that answers one
question after another neither decodes a model again nor computes the same again. What other processes can find again is
kept by the checksum of the file (`file_checksum`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from cachetools import LRUCache

from lineage.sketch.sketch_file import read_with_checksum
from lineage.types import CheckpointSketch, TensorSketch

MOST_BYTES = 64 << 20  # of files; in memory, with what is remembered of them, they take up to ten times as much

_Seal = tuple[int, int, int]


@dataclass(slots=True)
class _Held:
    """A sketch as in its file, and as it was returned last: cached facts about a model belong to the latter."""

    seal: _Seal
    read: CheckpointSketch
    said: CheckpointSketch


class KeptSketches:
    """The most recently used sketches, from files of `most_bytes` in all; thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._held: LRUCache[Path, _Held] = LRUCache(most_bytes, lambda held: held.seal[0])
        self._changing = Lock()

    def read(self, path: Path, /, **said: Any) -> CheckpointSketch:
        """As `read_sketch`, of a file that nobody changes in place, with the fields of `said` in place of its own.

        Raises Malformed, SketchMismatch, OSError.
        """
        held = self._as_read(path)
        last, sketch = held.said, replace(held.read, **said)
        if sketch == last:
            return last
        held.said = sketch
        return sketch

    def _as_read(self, path: Path) -> _Held:
        seal = _seal(path.stat())
        with self._changing:
            held = self._held.get(path)
            if held is not None and held.seal == seal:
                return held
        sketch = _filed(*read_with_checksum(path))
        held = _Held(seal, sketch, sketch)
        with self._changing, suppress(ValueError):  # one that is larger than the bound is not kept
            self._held[path] = held
        return held


def _seal(about: os.stat_result) -> _Seal:
    """What changes with a file: its size, its time, which file it is."""
    return about.st_size, about.st_mtime_ns, about.st_ino


class FiledTensors(tuple[TensorSketch, ...]):
    """The tensors of a sketch as they were read, which know the checksum of its file and what else was read."""

    checksum: bytes
    beside: tuple[Any, ...]


def _filed(sketch: CheckpointSketch, checksum: bytes) -> CheckpointSketch:
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


kept_sketches = KeptSketches()
"""Those of this process."""
