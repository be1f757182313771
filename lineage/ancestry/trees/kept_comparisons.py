"""A cache of comparisons between models whose sketches are still in memory, and of known ones on disk.

Queries about one family compare the same known models with one another, and their sketches stay in memory from one
query to the next (`lineage.store.kept_sketches`), so their comparisons need not be repeated. Other processes find those
of known models in the folder of the index (`lineage.store.comparison_cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from threading import Lock
from weakref import ref

from cachetools import LRUCache

from lineage.ancestry.pair.comparison import compare
from lineage.store.cache_in_use import on_disk
from lineage.types import CheckpointSketch, Comparison

MOST_BYTES = 48 << 20  # a process; the sketches that it keeps are counted separately
_A_LINE = 350  # bytes of a pair of tensors without their names, measured with `tracemalloc`


class WeakKey:
    """A model as the key of a comparison: everything that a comparison reads, with weak references to the tensors.

    Two are equal where the models have one id and hold the same tensors, still in memory, whatever they are called.
    """

    __slots__ = ("_hash", "_parts")

    def __init__(self, sketch: CheckpointSketch) -> None:
        said = sketch.id, sketch.family, sketch.depth, sketch.format, sketch.left_out, sketch.unread
        self._parts = said, tuple(map(ref, sketch.tensors)), tuple(map(ref, sketch.neurons))
        self._hash = hash(self._parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakKey) and self._parts == other._parts


class GaveWay(Exception):
    """Work that was done ahead ended because somebody asks. What was compared by then is kept."""


_asks: ContextVar[Callable[[], bool]] = ContextVar("asks")


@contextmanager
def giving_way(is_asked: Callable[[], bool]) -> Iterator[None]:
    """Raise GaveWay in place of a further comparison of known models once `is_asked` is true."""
    before = _asks.set(is_asked)
    try:
        yield
    finally:
        _asks.reset(before)


class KeptComparisons:
    """The most recently used comparisons, about `most_bytes` in all; thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._held: LRUCache[tuple[WeakKey, WeakKey, int], Comparison] = LRUCache(most_bytes, _size)
        self._changing = Lock()

    def compared(self, a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Comparison:
        """As `compare(a, b, models)`."""
        ends = WeakKey(a), WeakKey(b), models
        with self._changing:
            held = self._held.get(ends)
        if held is not None:  # the name of the reference is all that it says of the two besides
            return held if held.model_name == b.name else replace(held, model_name=b.name)
        made = _found_or_made(a, b) if models == 1 else _made(a, b, models)
        with self._changing, suppress(ValueError):  # one that is larger than the bound is not kept
            self._held[ends] = made
        return made


def _found_or_made(a: CheckpointSketch, b: CheckpointSketch) -> Comparison:
    """The comparison of two models, without others that were searched, from the disk if it is there."""
    cache = on_disk.get()
    found = None if cache is None else cache.found(a, b)
    if found is not None:
        return found
    made = _made(a, b, 1)
    if cache is not None:
        cache.note(a, b, made)
    return made


def _made(a: CheckpointSketch, b: CheckpointSketch, models: int) -> Comparison:
    if _asks.get(_nobody)():
        raise GaveWay
    return compare(a, b, models)


def _nobody() -> bool:
    return False


def _size(one: Comparison) -> int:
    """Approximate bytes of a comparison: mostly its tensors, whose names may outlive the models."""
    names = sum(len(m.a) + len(m.b) for m in one.tensors) + sum(len(e.tensor) for e in one.excluded)
    return _A_LINE * (1 + len(one.tensors) + len(one.excluded)) + names


kept_comparisons = KeptComparisons()
"""The cache of this process."""
