"""Which of two models with nearly the same matrices is the parent of a merge, by its norms, biases and tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Points
from lineage.ancestry.merge.mixture import BY_TENSOR, ON_A_BASE, Mixture
from lineage.ancestry.merge.ratios import BRAIN, grain
from lineage.ancestry.pair.narrow_types import HALVES, rounded
from lineage.ancestry.vectors import vectors
from lineage.types import CheckpointSketch, TensorSketch

_MOST_LEFT = 0.1  # share of how far vectors moved that a sum may leave beside rounding: tools may walk on circles
_FEW = 0.1  # times the share of equal values in matrices that a vector must have
_OTHERS = 0.25  # of the vectors that may have fewer: some are not merged as the others are
_A_FEW = 0.05  # share of the matrices, by size, that may keep nothing of the base, as in no merge that is known
_WHOLE = 0.9  # share of a matrix that was taken from one parent as it is
_SAME = 0.01  # of a movement: by how much narrow types may change it; other training leaves other movements
_LEAST = 100  # values that moved, of which a share is told
_LIKE = 0.5  # squared distance, as a share of a table's length, below which it is like another: of unrelated ones, 2
_PLAINLY = 4.0  # times as far off, in squares, as the other leaves the merge's vectors


def told_by_vectors(
    child: int, one: Mixture, copies: Sequence[tuple[int, int]], sketches: Sequence[CheckpointSketch]
) -> Mixture:
    """The merge with the better of a parent and its alternative, by which one's vectors explain the merge's.

    `copies` are those alternatives (parent, other) that have the parent's matrices. A pair that the vectors do not
    decide is left unchanged. In a merge of trimmed differences, each value that was kept of one parent alone is that
    parent's.
    """
    for parent, other in copies:
        if one.method in ON_A_BASE and one.origin is not None and one.origin not in (parent, other):
            kept, instead = (_taken(*(sketches[k] for k in (child, of, one.origin))) for of in (parent, other))
            if instead > _PLAINLY * kept:
                one = _without(_with(one, parent, other), (other, parent))
            elif kept > _PLAINLY * instead:
                one = _without(one, (parent, other))
            continue
        here, there = (_left(child, _with(one, parent, instead), sketches) for instead in (parent, other))
        if there * _PLAINLY < here:
            one = _without(_with(one, parent, other), (other, parent))
        elif here * _PLAINLY < there:
            one = _without(one, (parent, other))
    return one


def has_its_vectors(child: int, one: Mixture, sketches: Sequence[CheckpointSketch]) -> bool:
    """Whether the norms and biases of a merge may come from its parents; if not, a parent replaces the true one.

    A model of which only biases were trained has the matrices of its base, so it gives the same sums as the base. In a
    merge of trimmed differences, vectors keep about as many of the base's values as matrices do.
    """
    if one.method == "passthrough":
        return True
    if one.method in ON_A_BASE:
        mine, (*others, base) = sketches[child], (sketches[parent] for parent in one.parents)
        kept = _kept(mine, base, matrices=True)
        least = _FEW * float(np.mean([*kept.values()] or [1.0]))
        few = [float(share < least) for share in _kept(mine, base, matrices=False).values()]
        if float(np.mean(few or [0.0])) > _OTHERS or _has_foreign(mine, others, kept, least):
            return False
        return all(_is_taken_alike(mine, other, base) for other in others)
    common = [*_in_common(child, one.parents, sketches)]
    moved = min(sum(_square(own - held[k]) for own, held in common) for k in range(len(one.parents)))
    left = sum(_square(own - _weights(one, own, held) @ np.array(held)) for own, held in common)
    rounded = sum(_square(own) for own, _ in common) * BRAIN**2
    return left <= _MOST_LEFT * moved + rounded


def _taken(merge: CheckpointSketch, parent: CheckpointSketch, base: CheckpointSketch) -> int:
    """The number of values in which vectors of a merge moved from the base just as those of a parent did."""
    return _moved(*(vectors(sketch) for sketch in (merge, parent, base)))[0]


def _is_taken_alike(merge: CheckpointSketch, parent: CheckpointSketch, base: CheckpointSketch) -> bool:
    """Whether vectors of a merge hold a parent's movements from the base, where the matrices of its layers do."""
    by_vectors = _moved(*(vectors(sketch) for sketch in (merge, parent, base)))
    by_matrices = _moved(*map(_in_layers, (merge, parent, base)))
    if min(by_vectors[1], by_matrices[1]) < _LEAST:
        return True
    return by_vectors[0] / by_vectors[1] >= _FEW * by_matrices[0] / by_matrices[1]


def _in_layers(sketch: CheckpointSketch) -> dict[str, NDArray[np.float32]]:
    told = (t for t in sketch.tensors if t.part.layer is not None and _is_told(t, matrices=True))
    return {tensor.name: tensor.values for tensor in told}


def _moved(
    merge: Mapping[Any, NDArray[Any]], parent: Mapping[Any, NDArray[Any]], base: Mapping[Any, NDArray[Any]]
) -> tuple[int, int]:
    """In how many values a merge moved from its base as a parent did, and in how many it moved."""
    same, moved = 0, 0
    for where in merge.keys() & parent.keys() & base.keys():
        if not merge[where].shape == parent[where].shape == base[where].shape:
            continue
        own, other = (held[where].astype(np.float64) - base[where] for held in (merge, parent))
        same += int(((own != 0.0) & (np.abs(own - other) <= _SAME * np.abs(own))).sum())
        moved += int((own != 0.0).sum())
    return same, moved


def _weights(one: Mixture, own: Points, held: Sequence[Points]) -> Points:
    """The weights of a merge in a vector: those in its matrices, or fitted where layers or tensors have their own."""
    if one.method not in BY_TENSOR and not one.by_layer:
        return np.array(one.weights)
    return np.asarray(np.linalg.lstsq(np.array(held).T, own)[0])


def is_narrowed(merge: CheckpointSketch, base: CheckpointSketch) -> bool:
    """Whether the base of trimmed differences is a copy of the true one in a narrow type.

    The values that trimming left are then the base's only once they are rounded as the base is.
    """
    mine, theirs = ({t.name: t.values for t in of.tensors if _is_told(t, matrices=True)} for of in (merge, base))
    common = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
    exact = sum(int((mine[name] == theirs[name]).sum()) for name in common)
    for scheme in HALVES:
        if all(np.array_equal(rounded(theirs[name], scheme), theirs[name]) for name in common):
            near = sum(int((rounded(mine[name], scheme) == theirs[name]).sum()) for name in common)
            return near > _PLAINLY * exact
    return False


def has_its_tables(child: int, one: Mixture, sketches: Sequence[CheckpointSketch]) -> bool:
    """Whether the matrices of a merge outside its layers may come from its parents.

    A parent whose vocabulary was cut or extended, or whose head was exchanged, may replace an unknown model of which it
    has the layers to the bit. But the merge's table then holds a part of that model's, and is neither equal to one of
    the other parents' nor a sum of these. Where all parents have the table, one that is like none of theirs was made
    after the merge. A head in a shape that no parent's has is an unknown model's too.
    """
    own, *parents = (_outside(sketches[model]) for model in (child, *one.parents))
    roles = {where[:2] for parent in parents for where in parent}
    for where, values in own.items():
        if where[:2] in roles and not any(where in parent for parent in parents):
            return False
        held = [(weight, parent[where]) for weight, parent in zip(one.weights, parents, strict=True) if where in parent]
        if held and len(held) < len(parents) and not _is_of(values, held):
            return False
        if held and len(held) == len(parents) and one.method not in ON_A_BASE and not _is_sum(values, one, held):
            return False
    return True


def _is_sum(values: Points, one: Mixture, held: Sequence[tuple[float, Points]]) -> bool:
    """Whether values that are like those of a parent are one's, or a sum of the parents', given with their weights."""
    tables = [table for _, table in held]
    if min(_square(values - table) for table in tables) > _LIKE * _square(values):
        return True
    return _is_of(values, [*zip(_weights(one, values, tables).tolist(), tables, strict=True)])


def _outside(sketch: CheckpointSketch) -> dict[tuple[Hashable, ...], Points]:
    """Sampled values of the matrices outside the layers, by component, role and shape."""
    tensors = (tensor for tensor in sketch.tensors if tensor.part.layer is None and _is_told(tensor, matrices=True))
    return {(t.part.component, t.part.role, t.shape): t.values.reshape(-1).astype(np.float64) for t in tensors}


def _is_of(values: Points, held: Sequence[tuple[float, Points]]) -> bool:
    """Whether values equal those of a parent, or are the weighted mean of the parents, given with their weights."""
    rounding = max(grain(table) for table in (values, *(one for _, one in held)))
    allowed = _square(values) * rounding**2
    nearest = min(_square(values - one) for _, one in held)
    total = sum(weight for weight, _ in held)
    if nearest <= allowed or total <= 0.0:
        return nearest <= allowed
    mean = np.tensordot([weight / total for weight, _ in held], [one for _, one in held], axes=1)
    return _square(values - mean) <= _MOST_LEFT * nearest + allowed


def _has_foreign(
    mine: CheckpointSketch, parents: Sequence[CheckpointSketch], kept: Mapping[str, float], least: float
) -> bool:
    """Whether matrices keep nothing of the base that were not taken whole from a parent: the base had others."""
    taken = [_kept(mine, parent, matrices=True) for parent in parents]
    foreign = [name for name, share in kept.items() if share < least]
    sizes = {tensor.name: tensor.params for tensor in mine.tensors if tensor.name in kept}
    size = sum(sizes[name] for name in foreign if max(held.get(name, 0.0) for held in taken) < _WHOLE)
    return size > _A_FEW * sum(sizes.values())


def _in_common(
    child: int, parents: Sequence[int], sketches: Sequence[CheckpointSketch]
) -> Iterator[tuple[Points, list[Points]]]:
    """Each vector (norm or bias) that a model and all its parents have: the model's, and the parents' in order."""
    of_parents = [vectors(sketches[parent]) for parent in parents]
    for where, own in vectors(sketches[child]).items():
        if all(where in held for held in of_parents):
            yield own, [held[where] for held in of_parents]


def _square(vector: Points) -> float:
    return float((vector**2).sum())


def _kept(one: CheckpointSketch, other: CheckpointSketch, *, matrices: bool) -> dict[str, float]:
    """Share of equal values in each matrix, or else in each vector, that two models have in common."""
    own, theirs = ({t.name: t.values for t in of.tensors if _is_told(t, matrices=matrices)} for of in (one, other))
    common = [name for name in own if name in theirs and own[name].shape == theirs[name].shape]
    return {name: float((own[name] == theirs[name]).mean()) for name in common}


def _is_told(tensor: TensorSketch, *, matrices: bool) -> bool:
    return tensor.part.excluded is None and (tensor.params not in tensor.shape) == matrices


def _without(one: Mixture, alternative: tuple[int, int]) -> Mixture:
    return replace(one, alternatives=tuple(two for two in one.alternatives if two != alternative))


def _with(one: Mixture, parent: int, other: int) -> Mixture:
    """The mixture with another model in a parent's place."""
    if parent == other:
        return one

    def swapped(model: int) -> int:
        return {parent: other, other: parent}.get(model, model)

    return replace(
        one,
        parents=tuple(swapped(model) for model in one.parents),
        alternatives=tuple((swapped(of), swapped(instead)) for of, instead in one.alternatives),
        task_base=None if one.task_base is None else swapped(one.task_base),
    )


def _left(child: int, one: Mixture, sketches: Sequence[CheckpointSketch]) -> float:
    """The squared residual of a mixture on the child's vectors, each relative to its squared length, summed.

    Merges of trimmed differences leave most values at the base's, so that the base alone is the prediction.
    """
    weights = [float(parent == one.origin) for parent in one.parents] if one.method in ON_A_BASE else one.weights
    return sum(
        _square(own - np.tensordot(weights, held, axes=1)) / max(_square(own), 1e-300)
        for own, held in _in_common(child, one.parents, sketches)
    )
