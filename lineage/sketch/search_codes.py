"""By what an index finds a model: short codes of signs, whose bits agree the oftener the nearer two things are.

The signs of projections of two vectors at an angle t agree with probability 1 - t / pi (Charikar 2002), so that the
share of equal bits tells their cosine. A component is the sum of its tensors, whatever they are called and in whatever
layer they stand: half of the layers still have a cosine of 0.7 with the whole. Codes suggest, they are never evidence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import UNIT_DIMS
from lineage.sketch.remembered import remembered
from lineage.sketch.vectors import network_vectors, row_bits, searchable, tensor_vectors
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
    groups, parts = _by_component(_searchable(sketch)), _turned_sums(sketch)
    tensors = [tensor for i, group in enumerate(groups) if i in components for tensor in group]
    sums = [part for i, part in enumerate(parts) if i in components or i == len(parts) - 1]
    return {
        "component": _packed("component", sums),
        "rows": np.empty((0, WIDTHS["rows"]), np.uint8),
        "network": np.empty((0, WIDTHS["network"]), np.uint8),
        "tensor": _packed("tensor", _some(tensor_vectors(tensors, axis=1))),
    }


def _codes(sketch: CheckpointSketch, found: Sequence[TensorSketch], tensors: Sequence[TensorSketch]) -> Codes:
    return {
        "component": _packed("component", _sums(_by_component(found))),
        "rows": _rows(found),
        "network": _packed("network", _some(network_vectors(sketch))),
        "tensor": _packed("tensor", _some(tensor_vectors(tensors))),
    }


def _searchable(sketch: CheckpointSketch) -> list[TensorSketch]:
    return [sketch.tensors[i] for i in searchable(sketch)]


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


def _by_component(tensors: Iterable[TensorSketch]) -> list[list[TensorSketch]]:
    """The tensors of each component."""
    groups: dict[str, list[TensorSketch]] = defaultdict(list)
    for tensor in tensors:
        groups[tensor.part.component].append(tensor)
    return list(groups.values())


def _sums(groups: Sequence[Sequence[TensorSketch]], axis: int = 0) -> list[Floats]:
    """Of each component, and of all, the sum of projections of norm 1, (1024,); along axis 1 of transposed tensors."""
    tensors = [tensor for group in groups for tensor in group]
    vectors = tensor_vectors(tensors, axis, (UNIT_DIMS, UNIT_DIMS))
    ends = np.cumsum([0, *map(len, groups)]).tolist()
    parts = [vectors[start:end].sum(axis=0) for start, end in pairwise(ends)]
    return [*parts, vectors.sum(axis=0)] if len(parts) > 1 else parts


@remembered
def _turned_sums(sketch: CheckpointSketch) -> list[Floats]:
    """Those of transposed tensors: every index that is searched is asked for some of them."""
    return _sums(_by_component(_searchable(sketch)), axis=1)


def _rows(tensors: Iterable[TensorSketch]) -> Bits:
    """Two bits of each MinHash value of the rows of a whole component, uint8 (n, 32).

    The least hash of a union is the least of those of its parts.
    """
    made = []
    parts = _by_component(tensors)
    for group in [*parts, [tensor for part in parts for tensor in part]] if len(parts) > 1 else parts:
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
