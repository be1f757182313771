"""How alike every tensor of one list is to every one of another: r and z of all pairs in a few products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import facing, shared_label
from lineage.match.units import ready, same_positions, stacked
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.family import MIN_UNITS
from lineage.types import TensorSketch


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Mean cosine `r` of centred units, permutation `z`, and whether contents are `equal`: (queries, references)."""

    r: NDArray[np.float64]
    z: NDArray[np.float64]
    equal: NDArray[np.bool_]


def likeness(a: Sequence[TensorSketch], b: Sequence[TensorSketch], transposed: bool) -> Likeness:
    """Hold tensors of one shape against tensors of one facing shape, every one against every one.

    z is that of `pair_z`: over the exchangeable axes, or over both where there is none, the one nearest to zero;
    0 where no axis has 32 units. `r` is taken along the same axis.
    """
    r, z = np.zeros((len(a), len(b))), np.full((len(a), len(b)), np.inf)
    for axis in _tested_axes(a[0], b[0], transposed):
        found = _along(a, b, axis, facing(axis, transposed))
        if found is not None:
            nearer = np.abs(found[1]) < np.abs(z)
            r, z = np.where(nearer, found[0], r), np.where(nearer, found[1], z)
    return Likeness(r, np.where(np.isinf(z), 0.0, z), _equal(a, b) if not transposed else np.zeros(r.shape, np.bool_))


def _tested_axes(a: TensorSketch, b: TensorSketch, transposed: bool) -> tuple[int, ...]:
    free = tuple(axis for axis in (0, 1) if shared_label(a.part, b.part, axis, transposed) is not None)
    return free or (0, 1)


def _along(
    a: Sequence[TensorSketch], b: Sequence[TensorSketch], axis: int, other: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Correlation and z of all pairs along one axis; None without enough units at common positions."""
    left, right = [ready(t, axis) for t in a], [ready(t, other) for t in b]
    mine, theirs = [x for x in left if x is not None], [x for x in right if x is not None]
    if len(mine) < len(left) or len(theirs) < len(right):
        return None
    if any(not same_positions(mine[0].positions, one.positions) for one in (*mine, *theirs)):
        return None
    units = len(mine[0].positions)
    if units < MIN_UNITS:
        return None
    ours, others = stacked(mine), stacked(theirs)
    trace, alike, square = (_flat(x) @ _flat(y).T for x, y in zip(ours, others, strict=True))
    sigma = np.sqrt(np.maximum(square, 0.0) / (units - 1))
    return _ratio(trace, alike), _ratio(trace, sigma)


def _flat(arrays: NDArray[np.float32]) -> NDArray[np.float32]:
    return arrays.reshape(len(arrays), -1)


def _ratio(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.divide(x, y, out=np.zeros(x.shape), where=y > 0, dtype=np.float64)


def _equal(a: Sequence[TensorSketch], b: Sequence[TensorSketch]) -> NDArray[np.bool_]:
    """Equal digests of tensors whose values are mostly distinct: chance makes no such pair."""
    mine = [t.band_digest if t.stats.distinct >= MIN_DISTINCT else "" for t in a]
    theirs = [t.band_digest if t.stats.distinct >= MIN_DISTINCT else "-" for t in b]
    return np.asarray(np.array(mine)[:, None] == np.array(theirs)[None, :], np.bool_)
