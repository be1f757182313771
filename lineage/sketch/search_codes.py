"""By what an index finds a model: short codes of signs, whose bits agree the oftener the nearer two things are.

The signs of projections of two vectors at an angle t agree with probability 1 - t / pi (Charikar 2002), so that the
share of equal bits tells their cosine. A component is the sum of its tensors, whatever they are called and in whatever
layer they stand: half of the layers still have a cosine of 0.7 with the whole. Codes suggest, they are never evidence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import UNIT_DIMS
from lineage.sketch.vectors import is_searchable, network_vectors, row_bits, tensor_vectors
from lineage.types import CheckpointSketch, Codes, SearchCue, TensorSketch

WIDTHS: dict[SearchCue, int] = {"component": 128, "rows": 32, "network": 72, "tensor": 32}
"""Bytes of a code."""

BITS: dict[SearchCue, int] = {"component": 1024, "rows": 256, "network": 528, "tensor": 256}
"""Bits of a code that tell something; the rest are zeros."""

MOST_TENSORS = 64  # of a model that are kept

Bits = NDArray[np.uint8]
Floats = NDArray[np.float32]


def kept_codes(sketch: CheckpointSketch) -> Codes:
    """What an index keeps of a model: its components and the whole, their rows, its networks, some of its tensors."""
    found = _searchable(sketch)
    return _codes(sketch, found, _chosen(found))


def asked_codes(sketch: CheckpointSketch) -> Codes:
    """What is looked for: components and the whole, their rows, networks, and every tensor."""
    found = _searchable(sketch)
    return _codes(sketch, found, found)


def turned_codes(sketch: CheckpointSketch, components: Collection[int]) -> Codes:
    """The same of transposed tensors: of those components whose places among `asked_codes` are given, and the whole."""
    *groups, whole = list(_components(_searchable(sketch))) or [()]
    chosen = [group for i, group in enumerate(groups or [whole]) if i in components]
    tensors = [tensor for group in chosen for tensor in group]
    sums = [*chosen, whole] if groups else [whole]
    return {
        "component": _packed("component", [_sum(group, axis=1) for group in sums if group]),
        "rows": np.empty((0, WIDTHS["rows"]), np.uint8),
        "network": np.empty((0, WIDTHS["network"]), np.uint8),
        "tensor": _packed("tensor", _some(tensor_vectors(tensors, axis=1))),
    }


def _codes(sketch: CheckpointSketch, found: Sequence[TensorSketch], tensors: Sequence[TensorSketch]) -> Codes:
    return {
        "component": _packed("component", [_sum(group) for group in _components(found)]),
        "rows": _rows(found),
        "network": _packed("network", _some(network_vectors(sketch))),
        "tensor": _packed("tensor", _some(tensor_vectors(tensors))),
    }


def _searchable(sketch: CheckpointSketch) -> list[TensorSketch]:
    return [tensor for tensor in sketch.tensors if is_searchable(tensor)]


def _some(vectors: Iterable[Floats]) -> list[Floats]:
    """Vectors that are not all zeros, as those of constant tensors are."""
    return [vector for vector in vectors if vector.any()]


def likeness(cue: SearchCue, distance: NDArray[np.int64]) -> NDArray[np.float64]:
    """What bits that differ tell: the cosine of two vectors, of rows the share that they have in common (Jaccard)."""
    apart = distance / BITS[cue]
    return np.asarray(1.0 - 2.0 * apart if cue == "rows" else np.cos(np.pi * apart), np.float64)


def surprise(cue: SearchCue, likeness: float) -> float:
    """How many spreads nearer than strangers, whose bits agree as two coins do."""
    agreeing = likeness / 2.0 if cue == "rows" else math.asin(max(-1.0, min(1.0, likeness))) / math.pi
    return 2.0 * agreeing * math.sqrt(BITS[cue])


def nearest_stranger(tries: int) -> float:
    """The surprise that the nearest of so many strangers has: sqrt(2 ln n) bounds the largest of n normal numbers."""
    return math.sqrt(2.0 * math.log(max(2, tries)))


def _components(tensors: Iterable[TensorSketch]) -> Iterable[Sequence[TensorSketch]]:
    """The tensors of each component, and all of them where there are several."""
    groups: dict[str, list[TensorSketch]] = defaultdict(list)
    for tensor in tensors:
        groups[tensor.part.component].append(tensor)
    yield from groups.values()
    if len(groups) > 1:
        yield [tensor for group in groups.values() for tensor in group]


def _sum(tensors: Sequence[TensorSketch], axis: int = 0) -> Floats:
    """The sum of projections of norm 1, (1024,); along axis 1 that of the transposed tensors."""
    return np.asarray(tensor_vectors(tensors, axis, (UNIT_DIMS, UNIT_DIMS)).sum(axis=0))


def _rows(tensors: Iterable[TensorSketch]) -> Bits:
    """Two bits of each MinHash value of the rows of a whole component, uint8 (n, 32).

    The least hash of a union is the least of those of its parts.
    """
    made = []
    for group in _components(tensors):
        hashes = [tensor.minhash for tensor in group if tensor.minhash is not None]
        if hashes:
            made.append(row_bits(np.minimum.reduce(hashes)))
    return np.packbits(np.stack(made), axis=1) if made else np.empty((0, WIDTHS["rows"]), np.uint8)


def _chosen(tensors: Sequence[TensorSketch]) -> Sequence[TensorSketch]:
    """At most `MOST_TENSORS`, by a digest of their place, so that relatives keep the same ones."""

    def draw(tensor: TensorSketch) -> bytes:
        return blake3(
            f"{tensor.part.component}/{tensor.part.role}/{tensor.part.layer}/{tensor.shape}".encode()
        ).digest()

    return tensors if len(tensors) <= MOST_TENSORS else sorted(tensors, key=draw)[:MOST_TENSORS]


def _packed(cue: SearchCue, vectors: Sequence[Floats]) -> Bits:
    """The signs of vectors as bits, uint8 (n, WIDTHS[cue])."""
    if not vectors:
        return np.empty((0, WIDTHS[cue]), np.uint8)
    bits = np.zeros((len(vectors), 8 * WIDTHS[cue]), bool)
    bits[:, : BITS[cue]] = np.stack(vectors) > 0
    return np.packbits(bits, axis=1)
