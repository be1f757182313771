"""Short vectors by which an index finds candidates; they are never used as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.bands import sampled
from lineage.sketch.family import ANCHORS, MIN_UNITS, SEED_MINHASH, SEED_PROJECTION
from lineage.sketch.remembered import remembered
from lineage.sketch.signs import sign_bits, signs
from lineage.sketch.stacks import by_kind, laid
from lineage.types import CheckpointSketch, Neurons, Outlined, StoredTensors, TensorSketch, Units
from lineage.types.sketch import AnchorKey

_SIDE = 16
_TOGETHER = 32
NETWORK_DIM = ANCHORS * (ANCHORS + 1) // 2


def tensor_vectors(
    tensors: Sequence[TensorSketch], axis: int = 0, dims: tuple[int, int] = (_SIDE, _SIDE)
) -> NDArray[np.float32]:
    """Projections of tensors centred over the units of `axis`, float32 (n, dims[0] * dims[1]), of norm 1 or all zero.

    Each of `dims[0]` signs of the units and `dims[1]` of each. The cosine of two such vectors estimates the tensors'
    centred correlation with an error of about 1/16 (of 16 x 16). Taken along axis 1 it is that of the transposed ones.
    """
    found = np.empty((len(tensors), dims[0] * dims[1]), np.float32)
    kinds = [(tensor.shape[axis], units_of(tensor, axis).codes.shape) for tensor in tensors]
    for places in by_kind(kinds, _TOGETHER):
        units = [units_of(tensors[i], axis) for i in places]
        rows = laid([one.codes[:, : dims[1]] for one in units]) * laid([one.scale for one in units])[:, :, None]
        # A product of two sign projections; transposing it undoes the transposition of the tensor.
        rows -= np.full((1, rows.shape[1]), 1.0 / rows.shape[1], np.float32) @ rows  # the mean, in a fifth of its time
        flat = (left_signs(tensors[places[0]].shape[axis], dims[0]) @ rows).reshape(len(places), -1)
        norms = np.sqrt(np.vecdot(flat, flat))[:, None]
        found[places] = flat / np.where(norms > 0, norms, np.float32(1.0))
    return found


def units_of(tensor: TensorSketch, axis: int) -> Units:
    """The units of an axis, which must have some."""
    units = tensor.units[axis]
    assert units is not None
    return units


@lru_cache(maxsize=256)
def left_signs(length: int, dims: int) -> NDArray[np.float32]:
    """Signs of the sampled units of an axis, float32 (dims, units)."""
    return np.ascontiguousarray(signs(sampled(length), SEED_PROJECTION, dims).T, dtype=np.float32)


def is_searchable(tensor: TensorSketch) -> bool:
    """Whether a tensor is searched for: a matrix with 32 or more known units on each side, not a fixed table."""
    return _is_large(tensor) and None not in tensor.units


def _is_large(tensor: Outlined) -> bool:
    return tensor.part.excluded is None and len(tensor.shape) > 1 and min(tensor.shape[:2]) >= MIN_UNITS


@remembered
def searchable(sketch: CheckpointSketch) -> tuple[int, ...]:
    """The places of a model's tensors that are worth finding."""
    large = (i for i, tensor in enumerate(sketch.outlines) if _is_large(tensor))
    if isinstance(sketch.tensors, StoredTensors):
        return tuple(large)  # just measured, and not looked at before they are needed
    return tuple(i for i in large if is_searchable(sketch.tensors[i]))


@dataclass(frozen=True, slots=True, eq=False)
class SearchVectors:
    """The places of a model's searchable tensors, and their vectors, float32 (n, 256)."""

    places: tuple[int, ...]
    rows: NDArray[np.float32]


@remembered
def search_vectors(sketch: CheckpointSketch) -> SearchVectors:
    """The vectors of a model's tensors, cached because comparisons and searches use them."""
    return _vectors_along(sketch, 0)


@remembered
def turned_vectors(sketch: CheckpointSketch) -> SearchVectors:
    """The same of the transposed tensors, which fewer need."""
    return _vectors_along(sketch, 1)


def _vectors_along(sketch: CheckpointSketch, axis: int) -> SearchVectors:
    places = searchable(sketch)
    return SearchVectors(places, tensor_vectors([sketch.tensors[i] for i in places], axis))


def row_bits(minhash: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Two bits of each of the 128 MinHash values, bool (256,): b-bit minwise hashing (Li and König 2010)."""
    return sign_bits(minhash.astype(np.int64), SEED_MINHASH, 2).reshape(-1)


def network_vectors(sketch: CheckpointSketch) -> NDArray[np.float32]:
    """One vector a component with neurons and key, float32 (n, NETWORK_DIM) of norm 1: what they do together.

    The sum of the outer products of their codes, which no order of neurons and no basis of the stream alters, less
    what codes without any direction would give. Codes of channels are even, in all networks alike: of these the
    outer products of the codes of one kind with the squares of the other's count.
    """
    made = [
        _pairs_vector(own) if keyed == "input" else _network_vector(own)
        for (_, keyed), own in networks_in(sketch.neurons).items()
    ]
    return np.stack(made) if made else np.empty((0, NETWORK_DIM), np.float32)


def networks_in(neurons: Iterable[Neurons]) -> Mapping[tuple[str, AnchorKey], Sequence[Neurons]]:
    """The layers of each component by what its anchors are keyed by, without heads."""
    found: dict[tuple[str, AnchorKey], list[Neurons]] = {}
    for one in (one for one in neurons if not is_of_head(one)):
        found.setdefault((one.component, one.keyed), []).append(one)
    return found


def is_of_head(one: Neurons) -> bool:
    """Whether these are rows of a head."""
    return len(one.codes) == 1


def _network_vector(neurons: Iterable[Neurons]) -> NDArray[np.float32]:
    total = np.zeros((ANCHORS, ANCHORS))
    for codes in (codes for one in neurons for codes in one.codes):
        unit = _directions(codes)
        total += unit.T @ unit / len(unit)
    return _flat(total)


def _pairs_vector(neurons: Iterable[Neurons]) -> NDArray[np.float32]:
    total = np.zeros((ANCHORS, ANCHORS))
    for first, second in (map(_directions, one.codes) for one in neurons):
        both = (first**2).T @ second / len(first)
        total += both + both.T
    return _flat(total)


def _directions(codes: NDArray[np.int8]) -> NDArray[np.float64]:
    rows = codes.astype(np.float64)
    square = np.square(rows).sum(axis=1)
    return np.asarray(rows / np.sqrt(np.where(square > 0, square, 1.0))[:, None])


def _flat(total: NDArray[np.float64]) -> NDArray[np.float32]:
    """The part of a symmetric matrix that has no trace as a vector of norm 1."""
    total = total - np.eye(ANCHORS) * np.trace(total) / ANCHORS
    flat = total[np.triu_indices(ANCHORS)]
    norm = float(np.linalg.norm(flat))
    return (flat / norm if norm > 0 else flat).astype(np.float32)
