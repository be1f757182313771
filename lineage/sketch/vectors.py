"""Short vectors by which an index finds candidates; they suggest, they are never evidence."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.bands import sampled
from lineage.sketch.family import ANCHORS, MIN_UNITS, SEED_MINHASH, SEED_PROJECTION
from lineage.sketch.projection import decode_units
from lineage.sketch.signs import sign_bits, signs
from lineage.types import CheckpointSketch, Neurons, Part, TensorSketch, Units

_SIDE = 16
_HALF = _SIDE * _SIDE
TENSOR_DIM = 2 * _HALF
_SLOTS = 4
MODEL_DIM = _HALF * _SLOTS
NETWORK_DIM = ANCHORS * (ANCHORS + 1) // 2


def unit_vectors(units: Units) -> NDArray[np.float32]:
    """Decoded and centred unit vectors, float32 (n, 32)."""
    decoded = decode_units(units)
    decoded -= decoded.mean(axis=0)
    return decoded


def tensor_vector(tensor: TensorSketch, axis: int = 0) -> NDArray[np.float32]:
    """Projection of one tensor centred over the units of `axis`, float32 (256,), of norm 1 or all zero.

    The cosine of two such vectors estimates the tensors' centred correlation with an error of about 1/16.
    Taken along axis 1 it is the vector of the transposed tensor.
    """
    units = tensor.units[axis]
    assert units is not None
    # A product of two sign projections; transposing it undoes the transposition of the tensor.
    flat = (_left_signs(tensor.shape[axis]) @ unit_vectors(units)[:, :_SIDE]).reshape(-1)
    norm = float(np.linalg.norm(flat))
    return (flat / norm if norm > 0 else flat).astype(np.float32)


@lru_cache(maxsize=256)
def _left_signs(length: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(signs(sampled(length), SEED_PROJECTION, _SIDE).T, dtype=np.float32)


def is_searchable(tensor: TensorSketch) -> bool:
    """Whether a tensor is worth finding: a matrix of at least 32 units a side, both known, that is no fixed table."""
    has_units = len(tensor.shape) > 1 and None not in tensor.units
    return tensor.part.excluded is None and has_units and min(tensor.shape[:2]) >= MIN_UNITS


def row_vector(tensor: TensorSketch) -> NDArray[np.float32]:
    """Two bits of each of the 128 MinHash values as signs, float32 (256,) of norm 1; zeros without a MinHash.

    The inner product of two estimates the Jaccard similarity of their row codes with an error of about 1/16
    (b-bit minwise hashing, Li and König 2010).
    """
    if tensor.minhash is None:
        return np.zeros(_HALF, np.float32)
    bits = sign_bits(tensor.minhash.astype(np.int64), SEED_MINHASH, _HALF // len(tensor.minhash))
    return np.where(bits, 1.0, -1.0).reshape(-1).astype(np.float32) / np.float32(np.sqrt(_HALF))


def search_vectors(sketch: CheckpointSketch) -> tuple[list[int], NDArray[np.float32], NDArray[np.float32]]:
    """What an index stores of a model to search in.

    The indices of the searchable tensors; a row for each, float32 (n, TENSOR_DIM), of which the first half is
    `tensor_vector` and the second `row_vector`; the `model_vector`.
    """
    kept = [i for i, t in enumerate(sketch.tensors) if is_searchable(t)]
    rows = [np.concatenate([tensor_vector(sketch.tensors[i]), row_vector(sketch.tensors[i])]) for i in kept]
    whole = _added((sketch.tensors[i].part, row[:_HALF]) for i, row in zip(kept, rows, strict=True))
    return kept, np.stack(rows) if rows else np.empty((0, TENSOR_DIM), np.float32), whole


def query_vectors(sketch: CheckpointSketch) -> NDArray[np.float32]:
    """What to look for, float32 (3n, TENSOR_DIM): each tensor as it is, transposed, and by its rows in any order.

    A vector with one half empty asks for the other: its inner product with a stored one is that half's similarity.
    """
    kept = [t for t in sketch.tensors if is_searchable(t)]
    found = np.zeros((3, len(kept), 2, _HALF), np.float32)
    for i, tensor in enumerate(kept):
        found[0, i, 0] = tensor_vector(tensor)
        found[1, i, 0] = tensor_vector(tensor, axis=1)
        found[2, i, 1] = row_vector(tensor)
    return found.reshape(-1, TENSOR_DIM)


def model_vector(sketch: CheckpointSketch) -> NDArray[np.float32]:
    """One vector a model, float32 (MODEL_DIM,), of norm 1 or all zero.

    Tensor vectors are added with signs and a slot that hang on role and layer, so that models whose
    layers correspond have a cosine near their mean correlation.
    """
    return _added((tensor.part, tensor_vector(tensor)) for tensor in sketch.tensors if is_searchable(tensor))


def _added(vectors: Iterable[tuple[Part, NDArray[np.float32]]]) -> NDArray[np.float32]:
    total = np.zeros((_SLOTS, _HALF))
    for part, vector in vectors:
        slot, lanes = _lanes(part.role, part.layer)
        total[slot] += vector * lanes
    norm = float(np.linalg.norm(total))
    return (total.reshape(-1) / norm if norm > 0 else total.reshape(-1)).astype(np.float32)


@lru_cache(maxsize=1024)
def _lanes(role: str, layer: int | None) -> tuple[int, NDArray[np.float64]]:
    """The slot and the signs of a place in a model."""
    seal = int.from_bytes(blake3(f"{role}/{layer}".encode()).digest(length=4), "little")
    return seal % _SLOTS, signs(np.arange(_HALF, dtype=np.int64), seal, 1)[:, 0]


def network_vectors(sketch: CheckpointSketch) -> NDArray[np.float32]:
    """One vector a component with neurons, float32 (n, NETWORK_DIM) of norm 1: what they do together.

    The sum of the outer products of their codes, which no order of neurons and no basis of the stream alters, less
    what codes without any direction would give.
    """
    names = dict.fromkeys(one.component for one in sketch.neurons)
    made = [_network_vector([one for one in sketch.neurons if one.component == name]) for name in names]
    return np.stack(made) if made else np.empty((0, NETWORK_DIM), np.float32)


def _network_vector(neurons: Iterable[Neurons]) -> NDArray[np.float32]:
    total = np.zeros((ANCHORS, ANCHORS))
    for codes in (codes.astype(np.float64) for one in neurons for codes in one.codes):
        square = np.square(codes).sum(axis=1)
        unit = codes / np.sqrt(np.where(square > 0, square, 1.0))[:, None]
        total += unit.T @ unit / len(unit)
    total -= np.eye(ANCHORS) * np.trace(total) / ANCHORS
    flat = total[np.triu_indices(ANCHORS)]
    norm = float(np.linalg.norm(flat))
    return (flat / norm if norm > 0 else flat).astype(np.float32)
