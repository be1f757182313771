"""Codes by which an index finds a model: short sign codes, of which more bits agree the nearer two vectors are.

The signs of projections of two vectors at an angle t agree with probability 1 - t / pi (Charikar 2002), so that the
share of equal bits gives their cosine. A component is the sum of its tensors, whatever they are called and in whatever
layer they stand: half of the layers still have a cosine of 0.7 with the whole. Codes suggest, they are never evidence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import UNIT_DIMS
from lineage.sketch.remembered import remembered
from lineage.sketch.vectors import network_vectors, row_bits, search_vectors, searchable, tensor_vectors
from lineage.types import CheckpointSketch, Codes, Float32Array, SearchCue, StoredTensors, TensorSketch

WIDTHS: dict[SearchCue, int] = {"component": 128, "rows": 32, "network": 72, "tensor": 32}
"""Bytes of a code."""

BITS: dict[SearchCue, int] = {"component": 1024, "rows": 256, "network": 528, "tensor": 256}
"""Used bits of a code; the rest are zeros."""

MOST_TENSORS = 64  # greatest number of indexed tensors of a model
_AT_ONCE = 1 << 10  # tensors whose vectors are in memory

Bits = NDArray[np.uint8]


def kept_codes(sketch: CheckpointSketch) -> Codes:
    """The codes that an index stores for a model: components and the whole, their rows, networks, some tensors."""
    return _codes(sketch, _vectors_at(sketch, _chosen(sketch)))


def asked_codes(sketch: CheckpointSketch) -> Codes:
    """The codes of a query: components and the whole, their rows, networks, and every tensor."""
    if isinstance(sketch.tensors, StoredTensors):
        return _codes(sketch, _vectors_at(sketch, searchable(sketch)))
    return _codes(sketch, search_vectors(sketch).rows)  # comparisons of it use them too


def turned_codes(sketch: CheckpointSketch, components: Collection[int]) -> Codes:
    """The same of transposed tensors: of those components whose places among `asked_codes` are given, and the whole."""
    groups, parts = _by_component(sketch), _turned_sums(sketch)
    tensors = [sketch.tensors[place] for i, group in enumerate(groups) if i in components for place in group]
    sums = [part for i, part in enumerate(parts) if i in components or i == len(parts) - 1]
    return {
        "component": _packed("component", sums),
        "rows": np.empty((0, WIDTHS["rows"]), np.uint8),
        "network": np.empty((0, WIDTHS["network"]), np.uint8),
        "tensor": _packed("tensor", _some(tensor_vectors(tensors, axis=1))),
    }


def _vectors_at(sketch: CheckpointSketch, places: Sequence[int]) -> Float32Array:
    return tensor_vectors([sketch.tensors[i] for i in places])


def _codes(sketch: CheckpointSketch, vectors: Float32Array) -> Codes:
    """The codes with those of tensors from their vectors, (n, 256)."""
    groups = _by_component(sketch)
    return {
        "component": _packed("component", _sums(sketch, groups)),
        "rows": _rows(sketch, groups),
        "network": _packed("network", _some(network_vectors(sketch))),
        "tensor": _packed("tensor", _some(vectors)),
    }


def _some(vectors: Iterable[Float32Array]) -> list[Float32Array]:
    """Vectors that are not all zeros, as those of constant tensors are."""
    return [vector for vector in vectors if vector.any()]


def likeness(cue: SearchCue, distance: NDArray[np.int64]) -> NDArray[np.float64]:
    """Similarity from the number of different bits: the cosine of two vectors; for rows, the Jaccard similarity."""
    apart = distance / BITS[cue]
    return np.asarray(1.0 - 2.0 * apart if cue == "rows" else np.cos(np.pi * apart), np.float64)


def surprise(cue: SearchCue, likeness: float) -> float:
    """By how many standard deviations two codes are nearer than unrelated ones, whose bits agree by chance."""
    agreeing = likeness / 2.0 if cue == "rows" else math.asin(max(-1.0, min(1.0, likeness))) / math.pi
    return 2.0 * agreeing * math.sqrt(BITS[cue])


def nearest_stranger(tries: int) -> float:
    """The surprise expected for the nearest of `tries` unrelated codes: sqrt(2 ln n), the maximum of n normal draws."""
    return math.sqrt(2.0 * math.log(max(2, tries)))


def _by_component(sketch: CheckpointSketch) -> list[list[int]]:
    """The places of the tensors worth finding, of each component."""
    groups: dict[str, list[int]] = defaultdict(list)
    outlines = sketch.outlines
    for place in searchable(sketch):
        groups[outlines[place].part.component].append(place)
    return list(groups.values())


def _some_tensors(sketch: CheckpointSketch, group: Sequence[int]) -> Iterator[list[TensorSketch]]:
    """Tensors at some places, as many at a time as may be in memory."""
    for start in range(0, len(group), _AT_ONCE):
        yield [sketch.tensors[place] for place in group[start : start + _AT_ONCE]]


def _sums(sketch: CheckpointSketch, groups: Sequence[Sequence[int]], axis: int = 0) -> list[Float32Array]:
    """Of each component, and of all, the sum of projections of norm 1, (1024,); along axis 1 of transposed tensors."""
    parts: list[Float32Array] = []
    whole: Float32Array | None = None
    for group in groups:
        part: Float32Array | None = None
        for tensors in _some_tensors(sketch, group):
            vectors = tensor_vectors(tensors, axis, (UNIT_DIMS, UNIT_DIMS))
            part, whole = _added(part, vectors), _added(whole, vectors)
        if part is not None:
            parts.append(part)
    return [*parts, whole] if whole is not None and len(parts) > 1 else parts


def _added(total: Float32Array | None, vectors: Float32Array) -> Float32Array:
    """The total with further vectors added in order, so that the result equals one sum over all."""
    summed: Float32Array = (vectors if total is None else np.concatenate([total[None], vectors])).sum(axis=0)
    return summed


@remembered
def _turned_sums(sketch: CheckpointSketch) -> list[Float32Array]:
    """The sums of transposed tensors, cached because every index of a search uses them."""
    return _sums(sketch, _by_component(sketch), axis=1)


def _rows(sketch: CheckpointSketch, groups: Sequence[Sequence[int]]) -> Bits:
    """Two bits of each MinHash value of the rows of a whole component, uint8 (n, 32).

    The least hash of a union is the least of those of its parts.
    """
    least: list[NDArray[np.uint32]] = []
    for group in groups:
        some = _some_tensors(sketch, group)
        hashes = [np.minimum.reduce(held) for tensors in some if (held := _minhashes(tensors))]
        if hashes:
            least.append(np.minimum.reduce(hashes))
    made = [row_bits(one) for one in ([*least, np.minimum.reduce(least)] if least and len(groups) > 1 else least)]
    return np.packbits(np.stack(made), axis=1) if made else np.empty((0, WIDTHS["rows"]), np.uint8)


def _minhashes(tensors: Iterable[TensorSketch]) -> list[NDArray[np.uint32]]:
    return [tensor.minhash for tensor in tensors if tensor.minhash is not None]


def _chosen(sketch: CheckpointSketch) -> Sequence[int]:
    """Places of at most `MOST_TENSORS` tensors, chosen by a digest of part and shape: relatives keep the same ones."""
    places, outlines = searchable(sketch), sketch.outlines

    def draw(place: int) -> bytes:
        part, shape = outlines[place].part, outlines[place].shape
        return blake3(f"{part.component}/{part.role}/{part.layer}/{shape}".encode()).digest()

    return places if len(places) <= MOST_TENSORS else sorted(places, key=draw)[:MOST_TENSORS]


def _packed(cue: SearchCue, vectors: Sequence[Float32Array]) -> Bits:
    """The signs of vectors as bits, uint8 (n, WIDTHS[cue])."""
    if not vectors:
        return np.empty((0, WIDTHS[cue]), np.uint8)
    bits = np.zeros((len(vectors), 8 * WIDTHS[cue]), bool)
    bits[:, : BITS[cue]] = np.stack(vectors) > 0
    return np.packbits(bits, axis=1)
