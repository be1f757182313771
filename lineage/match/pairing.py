"""The tensor map between two models: first by structure, without a look at values; then by content, at a price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import facing, shared_label
from lineage.match.permutation import permutation_test, standardised, unit_rows
from lineage.match.tails import normal_quantile
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.vectors import is_searchable, tensor_vector
from lineage.types import CheckpointSketch, TensorSketch, Units

LOG10_ALPHA = -6.0
"""Corrected significance at which common descent is said: one false word in a million searches."""

_TRIES = 3  # reference tensors tried for each query tensor, the nearest by vector first
_NEAR = 0.2  # cosine below which the vectors say nothing (their error is 1/16)
_STRONG = 12.0  # a structural pair this strong needs no second search


@dataclass(frozen=True, slots=True)
class Pair:
    """Query tensor `a` held against reference tensor `b` (indices), and how they were paired."""

    a: int
    b: int
    how: Literal["structure", "content", "rows"]
    transposed: bool = False


def pair_tensors(a: CheckpointSketch, b: CheckpointSketch, models: int) -> list[Pair]:
    """Map the tensors of query `a` to those of reference `b`.

    Structural pairs (equal name; equal role and layer; equal shape in the same order) do not look at values, so
    they cost no significance. Tensors of equal digest are paired next (chance makes no such pair). Any other
    content pair replaces one only if its own permutation z passes at 1e-6 after correction for every pair of
    tensors of the two models and for `models` searched: choosing the best of many would otherwise make
    evidence out of noise.
    """
    structural = _structural(a, b)
    structural.update(_by_digest(a, b, structural))
    tried = sum(map(is_searchable, a.tensors)) * sum(map(is_searchable, b.tensors)) * models
    threshold = normal_quantile(LOG10_ALPHA - float(np.log10(max(1, 2 * tried))))
    found = _by_content(a, b, structural, threshold)
    return sorted({**structural, **found}.values(), key=lambda p: p.a)


@lru_cache(maxsize=4096)  # asked for by pairing, by containment and for the report
def pair_z(a: TensorSketch, b: TensorSketch, transposed: bool) -> float | None:
    """Permutation z of one pair of tensors: over the exchangeable axes, or over both, the one nearest to zero.

    None where no axis has enough units.
    """
    zs = {}
    for axis in (0, 1):
        left, right = a.units[axis], b.units[facing(axis, transposed)]
        if left is None or right is None:
            continue
        common = common_index(left, right)
        test = permutation_test([(standardised(unit_rows(left, common)), standardised(unit_rows(right, common)))])
        if test is not None:
            zs[axis] = test.z
    free = [z for axis, z in zs.items() if shared_label(a.part, b.part, axis, transposed) is not None]
    return min(free or zs.values(), key=abs, default=None)


def common_index(a: Units, b: Units) -> NDArray[np.int64]:
    """Positions that both kept, ascending."""
    return a.index if a.index is b.index else np.intersect1d(a.index, b.index, assume_unique=True)


def _structural(a: CheckpointSketch, b: CheckpointSketch) -> dict[int, Pair]:
    left = {i: t for i, t in enumerate(a.tensors) if t.part.generic is None}
    right = {j: t for j, t in enumerate(b.tensors) if t.part.generic is None}
    pairs: dict[int, Pair] = {}
    for key, transposed in _KEYS:
        queues: dict[Hashable, list[int]] = defaultdict(list)
        for j, tensor in right.items():
            queues[key(tensor, transposed)].append(j)
        for i, tensor in list(left.items()):
            queue = queues.get(key(tensor, False))
            if queue:
                j = queue.pop(0)
                pairs[i] = Pair(i, j, "structure", transposed)
                del left[i], right[j]
    return pairs


def _by_digest(a: CheckpointSketch, b: CheckpointSketch, structural: dict[int, Pair]) -> dict[int, Pair]:
    """Pairs of equal content whose structural partner, if any, is another tensor."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j, tensor in enumerate(b.tensors):
        if tensor.part.generic is None and tensor.stats.distinct >= MIN_DISTINCT:
            holders[tensor.band_digest].append(j)
    found = {}
    for i, tensor in enumerate(a.tensors):
        same = holders.get(tensor.band_digest, ()) if tensor.part.generic is None else ()
        if same and (i not in structural or structural[i].b not in same):
            found[i] = Pair(i, same[0], "content")
    return found


def _facing(tensor: TensorSketch, transposed: bool) -> tuple[int, ...]:
    return tensor.shape[::-1] if transposed and len(tensor.shape) == 2 else tensor.shape


def _name_and_shape(tensor: TensorSketch, transposed: bool) -> Hashable:
    return tensor.name, _facing(tensor, transposed)


def _part_and_shape(tensor: TensorSketch, transposed: bool) -> Hashable:
    part = tensor.part
    return part.component, part.role, part.layer, _facing(tensor, transposed)


def _name_and_width(tensor: TensorSketch, _: bool) -> Hashable:
    return tensor.name, len(tensor.shape), tensor.shape[1:]  # another number of rows: an extended vocabulary


def _part_and_width(tensor: TensorSketch, _: bool) -> Hashable:
    part = tensor.part
    return part.component, part.role, part.layer, len(tensor.shape), tensor.shape[1:]


def _shape_alone(tensor: TensorSketch, transposed: bool) -> Hashable:
    return _facing(tensor, transposed)


_KEYS: tuple[tuple[Callable[[TensorSketch, bool], Hashable], bool], ...] = (
    (_name_and_shape, False),
    (_part_and_shape, False),
    (_name_and_shape, True),
    (_part_and_shape, True),
    (_name_and_width, False),
    (_part_and_width, False),
    (_shape_alone, False),
    (_shape_alone, True),
)


def _by_content(
    a: CheckpointSketch, b: CheckpointSketch, structural: dict[int, Pair], threshold: float
) -> dict[int, Pair]:
    columns = [j for j, t in enumerate(b.tensors) if is_searchable(t)]
    if not columns:
        return {}
    straight = np.stack([tensor_vector(b.tensors[j]) for j in columns])
    turned = np.stack([tensor_vector(b.tensors[j], axis=1) for j in columns])
    found: dict[int, Pair] = {}
    for i, tensor in enumerate(a.tensors):
        if not is_searchable(tensor):
            continue
        known = structural.get(i)
        held = (pair_z(tensor, b.tensors[known.b], known.transposed) or 0.0) if known else 0.0
        if held > _STRONG:
            continue
        vector = tensor_vector(tensor)
        scores = np.concatenate([straight @ vector, turned @ vector])
        for rank in np.argsort(-scores)[:_TRIES]:
            if scores[rank] < _NEAR:
                break
            j, transposed = columns[rank % len(columns)], bool(rank >= len(columns))
            if transposed and (len(tensor.shape) > 2 or len(b.tensors[j].shape) > 2):
                continue  # a kernel's places have no counterpart in the other orientation
            z = pair_z(tensor, b.tensors[j], transposed)
            if z is not None and z > max(threshold, held):
                found[i], held = Pair(i, j, "content", transposed), z
    return found
