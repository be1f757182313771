"""Spherical or linear: whether a blend of two models lies on the great circle between them or on the chord."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import held_share
from lineage.types import Float64Array

_CURVED = 0.5  # least share of the distance from the chord to the circle
_SURE = 6.0  # standard errors by which that share must exceed 0: linear is the default


def lies_on_circle(child: Float64Array, a: Float64Array, b: Float64Array, tensors: NDArray[np.int64]) -> bool:
    """Whether `child` is the spherical interpolation of `a` and `b` tensor by tensor (slerp, Shoemake 1985).

    All are points of a cohort (dims,), `tensors` (dims,) numbers their tensors. In each tensor the circle bulges from
    the chord by a known vector. The child's residual from the nearest point of the chord is regressed on it: a linear
    blend holds none of the bulge, a spherical one all of it. If the parents are so near that rounding hides the bulge,
    the two blends are the same and the answer is False (linear).
    """
    left, bulge = _off_chord(child, a, b, tensors)
    if not bulge.any():
        return False
    shares, errors = held_share(bulge, left[None])
    return bool(shares[0] > _CURVED and shares[0] > _SURE * errors[0])


def off_circle(child: Float64Array, a: Float64Array, b: Float64Array, tensors: NDArray[np.int64]) -> float:
    """Squared distance of `child` from the great circle of `a` and `b` at its nearest share, tensor by tensor."""
    left, bulge = _off_chord(child, a, b, tensors)
    return float(((left - bulge) ** 2).sum())


def _off_chord(
    child: Float64Array, a: Float64Array, b: Float64Array, tensors: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array]:
    """Offsets from the chord to the child and to the circle, each (dims of the tensors that differ in `a` and `b`,)."""
    left, bulges = [np.zeros(0)], [np.zeros(0)]
    for number in np.unique(tensors):
        mine, first, second = (point[tensors == number] for point in (child, a, b))
        chord = second - first
        length = float(chord @ chord)
        if length == 0.0:
            continue
        share = float(np.clip((mine - first) @ chord / length, 0.0, 1.0))
        left.append(mine - first - share * chord)
        bulges.append(_bulge(first, second, share))
    return np.concatenate(left), np.concatenate(bulges)


def _bulge(a: Float64Array, b: Float64Array, share: float) -> Float64Array:
    """Offset from the chord to the circle at `share` of the way from `a` to `b`, perpendicular to the chord."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    angle = float(np.arccos(np.clip(a @ b / norms, -1.0, 1.0))) if norms > 0.0 else 0.0
    if np.sin(angle) < 1e-4:  # so near that merge tools interpolate linearly
        return np.zeros_like(a)
    weights = np.sin([(1.0 - share) * angle, share * angle]) / np.sin(angle)
    chord = b - a
    off = (weights[0] - (1.0 - share)) * a + (weights[1] - share) * b
    return np.asarray(off - (off @ chord) / (chord @ chord) * chord)
