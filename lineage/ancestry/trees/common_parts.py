"""The matrices that models of different structures have in common, such as attention beside experts, or a head."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Key, held_share, matrices_of
from lineage.types import CheckpointSketch, TensorSketch

_NEAR = 0.9  # least correlation of matrices that correspond: layers that were renumbered have none

Values = NDArray[np.float64]


def held_in_common(
    model: CheckpointSketch, other: CheckpointSketch, origin: CheckpointSketch
) -> tuple[float, float] | None:
    """The share of another model's movement from `origin` in this model's own, and its standard error.

    By least squares over the sampled values of the matrices of one role, layer and shape that all three have, each
    divided by its standard deviation. None without any, or if the other did not move in them.
    """
    mine, theirs, begun = (matrices_of(one) for one in (model, other, origin))
    steps, movements = [np.zeros(0)], [np.zeros(0)]
    for key, start in begun.items():
        if key in mine and key in theirs and start.stats.std > 0.0 and _are_near(mine[key], start):
            scale = start.stats.std
            steps.append(_apart(theirs[key], start) / scale)
            movements.append(_apart(mine[key], start) / scale)
    step, movement = np.concatenate(steps), np.concatenate(movements)
    if not step.any():
        return None
    (share,), (error,) = held_share(step, movement[None])
    return float(share), float(error)


def replaced_outside(origin: CheckpointSketch, others: Iterable[CheckpointSketch]) -> set[Key]:
    """The matrices outside the layers of `origin`, such as heads, that none of the others has kept."""
    left = {key for key, start in matrices_of(origin).items() if key[2] is None and start.stats.std > 0.0}
    for other in others:
        theirs = matrices_of(other)
        left -= {key for key in left & theirs.keys() if _are_near(theirs[key], matrices_of(origin)[key])}
    return left


def _apart(one: TensorSketch, start: TensorSketch) -> Values:
    return one.values.reshape(-1).astype(np.float64) - start.values.reshape(-1)


def _are_near(one: TensorSketch, start: TensorSketch) -> bool:
    x, y = (tensor.values.reshape(-1).astype(np.float64) for tensor in (one, start))
    x, y = x - x.mean(), y - y.mean()
    lengths = float(np.linalg.norm(x) * np.linalg.norm(y))
    return lengths > 0.0 and float(x @ y) >= _NEAR * lengths
