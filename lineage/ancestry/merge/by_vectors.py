"""Which of two models with nearly the same matrices is the parent of a merge, by its norms, biases and tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lineage.ancestry.geometry import Points
from lineage.ancestry.merge.mixture import BY_TENSOR, ON_A_BASE, Mixture
from lineage.ancestry.merge.ratios import BRAIN
from lineage.ancestry.vectors import vectors
from lineage.types import CheckpointSketch, TensorSketch

_MOST_LEFT = 0.1  # share of how far vectors moved that a sum may leave beside rounding: tools may walk on circles
_FEW = 0.1  # times the share of equal values in matrices that a vector must have
_OTHERS = 0.25  # of the vectors that may have fewer: some are not merged as the others are
_A_FEW = 0.05  # share of the matrices, by size, that may keep nothing of the base, as in no merge that is known
_WHOLE = 0.9  # share of a matrix that was taken from one parent as it is
_PLAINLY = 4.0  # times as far off, in squares, as the other leaves the merge's vectors


def told_by_vectors(
    child: int, one: Mixture, copies: Sequence[tuple[int, int]], sketches: Sequence[CheckpointSketch]
) -> Mixture:
    """The merge with the better of a parent and its alternative, by which one's vectors explain the merge's.

    `copies` are those alternatives (parent, other) that have the parent's matrices. A pair that the vectors do not
    decide is left unchanged.
    """
    for parent, other in copies:
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
        return float(np.mean(few or [0.0])) <= _OTHERS and not _has_foreign(mine, others, kept, least)
    common = [*_in_common(child, one.parents, sketches)]
    moved = min(sum(_square(own - held[k]) for own, held in common) for k in range(len(one.parents)))
    left = sum(_square(own - _weights(one, own, held) @ np.array(held)) for own, held in common)
    rounded = sum(_square(own) for own, _ in common) * BRAIN**2
    return left <= _MOST_LEFT * moved + rounded


def _weights(one: Mixture, own: Points, held: Sequence[Points]) -> Points:
    """The weights of a merge in a vector: those in its matrices, or fitted where layers or tensors have their own."""
    if one.method not in BY_TENSOR and not one.by_layer:
        return np.array(one.weights)
    return np.asarray(np.linalg.lstsq(np.array(held).T, own)[0])


def has_its_tables(child: int, one: Mixture, sketches: Sequence[CheckpointSketch]) -> bool:
    """Whether the matrices of a merge outside its layers may come from its parents, where not all of these have them.

    A parent whose vocabulary was cut or extended may replace an unknown model of which it has the layers to the bit.
    But the merge's table then holds a part of that model's, and is neither equal to one of the other parents' nor a sum
    of these. A head in a shape that no parent's has is an unknown model's too.
    """
    own, *parents = (_outside(sketches[model]) for model in (child, *one.parents))
    roles = {where[:2] for parent in parents for where in parent}
    for where, values in own.items():
        if where[:2] in roles and not any(where in parent for parent in parents):
            return False
        held = [(weight, parent[where]) for weight, parent in zip(one.weights, parents, strict=True) if where in parent]
        if held and len(held) < len(parents) and not _is_of(values, held):
            return False
    return True


def _outside(sketch: CheckpointSketch) -> dict[tuple[Hashable, ...], Points]:
    """Sampled values of the matrices outside the layers, by component, role and shape."""
    tensors = (tensor for tensor in sketch.tensors if tensor.part.layer is None and _is_told(tensor, matrices=True))
    return {(t.part.component, t.part.role, t.shape): t.values.reshape(-1).astype(np.float64) for t in tensors}


def _is_of(values: Points, held: Sequence[tuple[float, Points]]) -> bool:
    """Whether values equal those of a parent, or are the weighted mean of the parents, given with their weights."""
    rounded = _square(values) * BRAIN**2
    nearest = min(_square(values - one) for _, one in held)
    total = sum(weight for weight, _ in held)
    if nearest <= rounded or total <= 0.0:
        return nearest <= rounded
    mean = np.tensordot([weight / total for weight, _ in held], [one for _, one in held], axes=1)
    return _square(values - mean) <= _MOST_LEFT * nearest + rounded


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
