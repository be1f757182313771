"""Rough similarity of models with different layouts: matrices of any name are matched by size, also transposed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.vectors import is_searchable, search_vectors, turned_vectors
from lineage.types import CheckpointSketch, TensorSketch

_PROBES = 8  # number of the largest matrices of a model that are searched
_ERROR = 1 / 16  # of a cosine of vectors
_STRANGE = 0.1  # least share of a model that matches another by size and not by role

Size = tuple[int, int, int]
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Contents:
    """Parameters of the matrices of a model by size, and by role and width."""

    sizes: Mapping[Size, int]
    roles: Mapping[tuple[str, tuple[int, ...]], int]


def in_strange_layouts(sketches: Sequence[CheckpointSketch], structure: Sequence[int]) -> NDArray[np.float64]:
    """Share of each model that is found in each other, (models, models), if their layouts hide it; 0 elsewhere.

    `structure` is the number of each model's structure. Two structures are searched if their matrices agree in size but
    not in role and shape: renamed, or stored transposed. The share only selects pairs to compare and is never evidence.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for model, kind in enumerate(structure):
        members[kind].append(model)
    share = np.zeros((len(sketches), len(sketches)))
    facts = {kind: _contents(sketches[held[0]]) for kind, held in members.items()}
    for pair in combinations(sorted(members, key=lambda kind: (len(members[kind]), members[kind])), 2):
        if _is_strange(*(facts[kind] for kind in pair)):
            few, many = (members[kind] for kind in pair)
            share[np.ix_(few, many)] = _found([sketches[i] for i in few], [sketches[j] for j in many])
    return np.maximum(share, share.T)


def _is_strange(one: Contents, other: Contents) -> bool:
    """Whether clearly more parameters of a model match the other by size than by role and shape."""
    by_size = sum(params for size, params in one.sizes.items() if size in other.sizes)
    by_role = sum(params for role, params in one.roles.items() if role in other.roles)
    return by_size - by_role > _STRANGE * sum(one.sizes.values())


def _contents(sketch: CheckpointSketch) -> Contents:
    sizes: Counter[Size] = Counter()
    roles: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for tensor in filter(is_searchable, sketch.tensors):
        sizes[_size(tensor)] += tensor.params
        roles[tensor.part.role, tensor.shape[1:]] += tensor.params
    return Contents(sizes, roles)


def _size(tensor: TensorSketch) -> Size:
    """The sides of a matrix, the shorter first, and the number of kernel positions."""
    return min(tensor.shape[:2]), max(tensor.shape[:2]), math.prod(tensor.shape[2:])


def _found(few: Sequence[CheckpointSketch], many: Sequence[CheckpointSketch]) -> NDArray[np.float64]:
    """How much of the largest matrices of each of `few` is found in each of `many`, also renamed or transposed."""
    probes = [_probes(sketch) for sketch in few]
    wanted = {size for held in probes for size, *_ in held}
    found = np.zeros((len(few), len(many)))
    for j, sketch in enumerate(many):
        vectors = _by_size(sketch, wanted)
        for i, held in enumerate(probes):
            likeness = sum(params * _best(probe, vectors[size]) for size, params, probe in held if size in vectors)
            found[i, j] = likeness / max(1, sum(params for _, params, _ in held))
    return found


def _probes(sketch: CheckpointSketch) -> list[tuple[Size, int, Vector]]:
    """Size, parameters and vector of the largest matrices."""
    held = search_vectors(sketch)
    found = [(sketch.tensors[place], vector) for place, vector in zip(held.places, held.rows, strict=True)]
    largest = sorted(found, key=lambda one: (-one[0].params, one[0].name))[:_PROBES]
    return [(_size(tensor), tensor.params, vector) for tensor, vector in largest]


def _by_size(sketch: CheckpointSketch, wanted: set[Size]) -> dict[Size, Vector]:
    """Search vectors of the matrices of the wanted sizes, straight and transposed, (n, dims) for each size."""
    held, turned = search_vectors(sketch), turned_vectors(sketch)
    rows: dict[Size, list[int]] = defaultdict(list)
    for row, place in enumerate(held.places):
        rows[_size(sketch.tensors[place])].append(row)
    return {size: np.concatenate([held.rows[own], turned.rows[own]]) for size, own in rows.items() if size in wanted}


def _best(probe: Vector, vectors: Vector) -> float:
    """The greatest cosine with vectors (n, dims), corrected for the best of as many unrelated ones; 0..1."""
    by_chance = _ERROR * math.sqrt(2 * math.log(len(vectors)))
    best = float((vectors @ probe).max())
    return max(0.0, (best - by_chance) / (1.0 - by_chance))
