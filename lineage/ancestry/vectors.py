"""Norms and biases: too few values to prove descent, enough to distinguish two models with equal matrices."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lineage.ancestry.geometry import Points
from lineage.ancestry.pair.narrow_types import are_roundings
from lineage.types import CheckpointSketch, TensorSketch


class Where(NamedTuple):
    """The identity of a vector in a model; `place` counts vectors that agree in all other fields."""

    component: str
    role: str
    layer: int | None
    shape: tuple[int, ...]
    place: int


Vectors = Mapping[Where, Points]

_STATISTICS = re.compile(r"(?:running|moving)_(?:mean|var)")  # of a batch norm, by the names of PyTorch and TensorFlow
STORED = 0.004  # greatest distance that storing vectors in another type of 16 bits makes
_LEAST_VALUES = 16  # of a vector: shorter ones may agree by chance


def vectors(sketch: CheckpointSketch) -> Vectors:
    """The sampled values of all vectors of a model, float64, by component, role, layer, shape and place."""
    return _of(sketch.tensors)


def learned_vectors(sketch: CheckpointSketch) -> Vectors:
    """The vectors without the means and variances that batch norms keep.

    These are figures of the latest data: a few dozen steps replace them, so that two siblings trained on the same data
    have them in common, and a parent of which only a head is trained on other data loses them.
    """
    return _of(tensor for tensor in sketch.tensors if not _STATISTICS.search(tensor.name))


def _of(tensors: Iterable[TensorSketch]) -> Vectors:
    found: dict[Where, Points] = {}
    repeats: Counter[tuple[str, str, int | None, tuple[int, ...]]] = Counter()
    for tensor in tensors:
        if tensor.part.excluded is None and tensor.params in tensor.shape and tensor.params >= _LEAST_VALUES:
            where = tensor.part.component, tensor.part.role, tensor.part.layer, tensor.shape
            found[Where(*where, repeats[where])] = tensor.values.reshape(-1).astype(np.float64)
            repeats[where] += 1
    return found


def share_moved(ours: Vectors, theirs: Vectors) -> float:
    """Share of the vectors of two models that differ by more than rounding; 0 without common ones."""
    common = ours.keys() & theirs.keys()
    return sum(not are_roundings(ours[where], theirs[where]) for where in common) / max(1, len(common))


def apart(ours: Vectors, theirs: Vectors) -> float:
    """Distance of two models' vectors, 0..1, as in `vectors_apart`."""
    return float(vectors_apart([ours, theirs])[0, 1])


def vectors_apart(models: Sequence[Vectors]) -> Points:
    """Distances of the vectors of every two models, (models, models), 0..1: the mean over vectors that both have.

    For one vector it is the length of the difference divided by the sum of both lengths; 0 without common vectors.
    """
    holders: dict[Where, list[tuple[int, Points]]] = defaultdict(list)
    for i, held in enumerate(models):
        for where, values in held.items():
            holders[where].append((i, values))
    total, count = (np.zeros((len(models), len(models))) for _ in range(2))
    for _, having in sorted(holders.items(), key=lambda one: repr(one[0])):
        members = np.array([i for i, _ in having])
        points = np.stack([values for _, values in having])
        lengths = np.linalg.norm(points, axis=1)
        squares = lengths[:, None] ** 2 + lengths**2 - 2.0 * points @ points.T
        scale = lengths[:, None] + lengths
        apart = np.sqrt(np.maximum(0.0, squares)) / np.where(scale > 0.0, scale, 1.0)
        total[np.ix_(members, members)] += apart
        count[np.ix_(members, members)] += 1.0
    return total / np.maximum(1.0, count)
