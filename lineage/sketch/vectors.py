"""Short vectors by which an index finds candidates; they suggest, they are never evidence."""

from __future__ import annotations

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import MIN_UNITS, SEED_PROJECTION
from lineage.sketch.signs import signs
from lineage.types import CheckpointSketch, TensorSketch, Units

_SIDE = 16
TENSOR_DIM = _SIDE * _SIDE
_SLOTS = 4
MODEL_DIM = TENSOR_DIM * _SLOTS


def unit_vectors(units: Units) -> NDArray[np.float32]:
    """Decoded and centred unit vectors, float32 (n, 32)."""
    decoded = units.codes.astype(np.float32) * units.scale[:, None]
    return decoded - decoded.mean(axis=0)


def tensor_vector(tensor: TensorSketch, axis: int = 0) -> NDArray[np.float32]:
    """Projection of one tensor centred over the units of `axis`, float32 (256,), of norm 1 or all zero.

    The cosine of two such vectors estimates the tensors' centred correlation with an error of about 1/16.
    Taken along axis 1 it is the vector of the transposed tensor.
    """
    units = tensor.units[axis]
    assert units is not None
    # A product of two sign projections; transposing it undoes the transposition of the tensor.
    square = signs(units.index, SEED_PROJECTION, _SIDE).T @ unit_vectors(units)[:, :_SIDE]
    flat = square.reshape(-1)
    norm = float(np.linalg.norm(flat))
    return (flat / norm if norm > 0 else flat).astype(np.float32)


def is_searchable(tensor: TensorSketch) -> bool:
    """Whether a tensor is worth finding: a matrix of at least 32 units a side that is no fixed table."""
    return tensor.part.generic is None and len(tensor.shape) > 1 and min(tensor.shape[:2]) >= MIN_UNITS


def tensor_vectors(sketch: CheckpointSketch) -> tuple[list[int], NDArray[np.float32]]:
    """Indices of the searchable tensors and their vectors, float32 (n, TENSOR_DIM)."""
    kept = [i for i, t in enumerate(sketch.tensors) if is_searchable(t)]
    if not kept:
        return kept, np.empty((0, TENSOR_DIM), np.float32)
    return kept, np.stack([tensor_vector(sketch.tensors[i]) for i in kept])


def model_vector(sketch: CheckpointSketch) -> NDArray[np.float32]:
    """One vector a model, float32 (MODEL_DIM,), of norm 1 or all zero.

    Tensor vectors are added with signs and a slot that hang on role and layer, so that models whose
    layers correspond have a cosine near their mean correlation.
    """
    total = np.zeros((_SLOTS, TENSOR_DIM))
    lanes = np.arange(TENSOR_DIM, dtype=np.int64)
    for i, vector in zip(*tensor_vectors(sketch), strict=True):
        part = sketch.tensors[i].part
        seal = int.from_bytes(blake3(f"{part.role}/{part.layer}".encode()).digest(length=4), "little")
        total[seal % _SLOTS] += vector * signs(lanes, seal, 1)[:, 0]
    norm = float(np.linalg.norm(total))
    return (total.reshape(-1) / norm if norm > 0 else total.reshape(-1)).astype(np.float32)
