"""Which of two models with the same matrices is the parent of a merge: its norms and biases tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lineage.ancestry.merge.mixture import ON_A_BASE, Mixture
from lineage.ancestry.vectors import vectors
from lineage.types import CheckpointSketch

_PLAINLY = 4.0  # times as far off, in squares, as the other leaves the merge's vectors


def told_by_vectors(
    child: int, one: Mixture, copies: Sequence[tuple[int, int]], sketches: Sequence[CheckpointSketch]
) -> Mixture:
    """A merge with that parent, of each two which stand for one another, whose vectors explain the merge's.

    `copies` are those of its alternatives that have the parent's matrices. Where vectors do not tell, nothing changes.
    """
    for parent, other in copies:
        here, there = (_left(child, _with(one, parent, instead), sketches) for instead in (parent, other))
        if there * _PLAINLY < here:
            one = _without(_with(one, parent, other), (other, parent))
        elif here * _PLAINLY < there:
            one = _without(one, (parent, other))
    return one


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
    """The squared length that a mixture leaves of the child's vectors, each relative to its own.

    What was trimmed left most values as the base has them.
    """
    weights = [float(parent == one.origin) for parent in one.parents] if one.method in ON_A_BASE else one.weights
    own = vectors(sketches[child])
    parents = [vectors(sketches[parent]) for parent in one.parents]
    left = 0.0
    for where in own.keys() & set.intersection(*({*held} for held in parents)):
        summed = np.tensordot(weights, [held[where] for held in parents], axes=1)
        left += float(((own[where] - summed) ** 2).sum()) / max(float((own[where] ** 2).sum()), 1e-300)
    return left
