"""A cache of answers about models that are asked about again: the same weights under another name, of the same indexes.

Whoever answers one question after another meets copies of one model again and again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Lock

from blake3 import blake3
from cachetools import LRUCache

from lineage.sketch.family import FAMILY
from lineage.store import Index
from lineage.types import CheckpointSketch, Timings, Whois
from lineage.types.sketch import StoredTensors

MOST_BYTES = 16 << 20  # a process
_A_LINE = 350  # bytes of a pair of tensors (see `trees.kept_comparisons`)
_A_FIGURE = 120  # bytes of a pair of figures of the null
_NO_MODEL = CheckpointSketch("", FAMILY, "full", "", "", "", "", 0, 0, ())

Asked = tuple[bytes, tuple[Hashable, ...]]


class KeptAnswers:
    """The most recently used answers, about `most_bytes` in all; thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._held: LRUCache[Asked, tuple[str, Whois]] = LRUCache(most_bytes, lambda held: _size(held[1]))
        self._changing = Lock()

    def answered(
        self,
        answer: Callable[[CheckpointSketch, Sequence[Index]], Whois],
        query: CheckpointSketch,
        indexes: Sequence[Index],
    ) -> Whois:
        """As `answer(query, indexes)`, which must depend on nothing else; kept for as long as the indexes stay."""
        started = time.perf_counter()
        states = _states(indexes)
        if states is None or isinstance(query.tensors, StoredTensors):
            return answer(query, indexes)
        asked = _digest(query), states
        with self._changing:
            held = self._held.get(asked)
        if held is not None and (held[0] == query.name or repr(held[0]) not in repr(held[1].place)):  # facts have names
            return replace(held[1], sketch=query, timings=Timings(0.0, 0.0, time.perf_counter() - started, 0.0))
        made = answer(query, indexes)
        if _states(indexes) == states:  # nothing was added meanwhile
            with self._changing, suppress(ValueError):  # one that is larger than the bound is not kept
                self._held[asked] = query.name, replace(made, sketch=_NO_MODEL)
        return made


def _states(indexes: Sequence[Index]) -> tuple[Hashable, ...] | None:
    """What changes with whatever is written to the indexes; None where one changes unseen."""
    states = tuple(index.state for index in indexes)
    return None if None in states else states


def _digest(sketch: CheckpointSketch) -> bytes:
    """BLAKE3 over what a sketch holds, but for what it is called, its tokenizer and its configuration.

    The former are not looked at, the latter are witnesses of their own.
    """
    about = sketch.id, sketch.family, sketch.depth, sketch.format, sketch.architecture, sketch.nbytes, sketch.bytes_read
    said = sketch.licence, sketch.declared, sketch.left_out, sketch.unread, sketch.weights_seen
    hasher = blake3(repr((about, said, len(sketch.tensors))).encode())
    for tensor in sketch.tensors:
        shape = tensor.shape, tensor.dtype, tensor.part, tensor.stats, tensor.band_digest, tensor.digest
        hasher.update(repr((tensor.name, shape)).encode())
        units = [array for one in tensor.units if one is not None for array in (one.index, one.codes, one.scale)]
        for array in (*tensor.grid, tensor.values, tensor.minhash, tensor.moments, *units):
            hasher.update(b"-" if array is None else array.tobytes())
    for layer in sketch.neurons:
        hasher.update(repr((layer.component, layer.layer, layer.keyed, layer.codes.shape)).encode())
        for array in (layer.index, layer.codes, layer.attention, layer.scale):
            hasher.update(b"-" if array is None else array.tobytes())
    return hasher.digest()


def _size(one: Whois) -> int:
    """Approximate bytes of an answer without its sketch: mostly the tensors of its comparisons."""
    nearest = () if one.nearest is None else (one.nearest,)
    lines = sum(1 + len(held.tensors) + len(held.excluded) for held in (*one.ancestors, *one.alternatives, *nearest))
    return _A_LINE * (1 + lines) + _A_FIGURE * len(one.null.matrices)


kept_answers = KeptAnswers()
"""The cache of this process."""
