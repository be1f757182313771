"""A cache of comparisons between models whose sketches are still in memory.

Queries about one family compare the same known models with one another, and their sketches stay in memory from one
query to the next (`lineage.store.kept_sketches`), so their comparisons need not be repeated.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from weakref import ref

from lineage.ancestry.pair.comparison import compare
from lineage.types import CheckpointSketch, Comparison

MOST_BYTES = 48 << 20  # a process; the sketches that it keeps are counted separately
_A_LINE = 350  # bytes of a pair of tensors without their names, measured with `tracemalloc`


class WeakKey:
    """A model as the key of a comparison: everything that a comparison reads, with weak references to the tensors.

    Two keys are equal if they refer to the same tensor objects, still in memory, and the models' own data (name,
    metadata) are equal too, since a comparison reports them.
    """

    __slots__ = ("_hash", "_parts")

    def __init__(self, sketch: CheckpointSketch) -> None:
        said = replace(sketch, tensors=(), neurons=(), tokenizer=None)  # comparisons do not read the tokenizer
        self._parts = said, tuple(map(ref, sketch.tensors)), tuple(map(ref, sketch.neurons))
        self._hash = hash(self._parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakKey) and self._parts == other._parts


class KeptComparisons:
    """The most recently used comparisons, about `most_bytes` in all; thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held: OrderedDict[tuple[WeakKey, WeakKey], Comparison] = OrderedDict()
        self._bytes = 0
        self._changing = Lock()

    def compared(self, a: CheckpointSketch, b: CheckpointSketch) -> Comparison:
        """The result of `compare(a, b)`, cached."""
        ends = WeakKey(a), WeakKey(b)
        with self._changing:
            held = self._held.get(ends)
            if held is not None:
                self._held.move_to_end(ends)
                return held
        made = compare(a, b)
        with self._changing:
            self._bytes += _size(made) - _size(self._held.pop(ends, None))
            self._held[ends] = made
            while self._bytes > self._most:
                _, gone = self._held.popitem(last=False)
                self._bytes -= _size(gone)
        return made


def _size(one: Comparison | None) -> int:
    """Approximate bytes of a comparison: mostly its tensors, whose names may outlive the models."""
    if one is None:
        return 0
    names = sum(len(m.a) + len(m.b) for m in one.tensors) + sum(len(e.tensor) for e in one.excluded)
    return _A_LINE * (1 + len(one.tensors) + len(one.excluded)) + names


kept_comparisons = KeptComparisons()
"""The cache of this process."""
