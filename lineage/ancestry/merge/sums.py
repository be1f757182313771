"""Merges whose weights sum to one: linear sums, and interpolation with separate weights for each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.ancestry.merge.mixture import COPY, LEAST_WEIGHT, MOST_PARENTS, Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.simplex import least_left, simplex_weights
from lineage.types import Float64Array

_EXACT = 1e-6  # share of the movement that float32 may leave unexplained
_CLOSE = 0.02  # the same for rounding and spherical interpolation
_LEAST_CLOSE = 0.1  # least weight in an inexact sum: a running mean lies near models that moved in the same direction
_NEARLY = 0.5  # greatest residual of one set of weights with which separate weights for each layer are tried
_AS_EXACT = 3.0  # greatest ratio of the residual with two parents to that of another sum
_ROUNDED = 1e-9  # share of the movement that counts as float32 rounding
_UNEVEN = 0.05  # least difference of a layer's weights from the whole model's that is reported


def exact_sum(around: Neighbours, child: int, near: Sequence[int]) -> Mixture | None:
    """`child` as a sum of the fewest others, as in `close_sum`, up to the rounding of its type; None if it is not."""
    if len(near) < 2:
        return None
    whole = around.all_offsets(child, near)
    stored = around.grain(child)
    farthest = float(np.diag(whole).max())
    # Weights of any sign leave no more than those of one: nearly all models end here.
    if least_left(whole) > max(_EXACT * farthest, around.rounding(child, [stored], farthest)):
        return None
    weights = simplex_weights(whole)
    kept = [k for k in range(len(near)) if weights[k] > 0.0]
    movement = float(np.diag(whole)[kept].min())
    allowed = max(_EXACT * movement, around.rounding(child, [stored], movement))
    if float(weights @ whole @ weights) > allowed:
        return None
    # Merges of the same parents lie in each other's hull, so that the weights are not unique.
    for k in sorted(kept, key=lambda k: float(weights[k])):
        fewer = [one for one in kept if one != k]
        gram = whole[np.ix_(fewer, fewer)]
        if len(fewer) > 1 and float((w := simplex_weights(gram)) @ gram @ w) <= allowed:
            kept = [one for one, share in zip(fewer, w, strict=True) if share > 0.0]
    parents = [near[k] for k in kept]
    if not 2 <= len(parents) <= MOST_PARENTS:
        return None
    found = _linear(around, child, parents)
    return found if min(found.weights) >= LEAST_WEIGHT else None


def close_sum(around: Neighbours, child: int, near: Sequence[int]) -> Mixture | None:
    """`child` as a weighted sum of other members, or None.

    Weights are non-negative and sum to one, over all candidates: no parents are given in advance. A sum is accepted if
    it leaves at most 2% of the squared distance to the nearest parent unexplained on tensors that were not fitted; the
    base of n models, which lies between them, leaves 1/n.
    """
    if len(near) < 2:
        return None
    weights = simplex_weights(around.offsets(child, near))
    chosen = [k for k in range(len(near)) if weights[k] >= _LEAST_CLOSE]
    if len(chosen) < 2:
        return None
    parents = [near[k] for k in chosen]
    left = _left(around, child, parents, weights[chosen] / weights[chosen].sum())
    if left <= _CLOSE and len(parents) <= MOST_PARENTS:
        return _linear(around, child, parents)
    return _layered(around, child, [near[k] for k in range(len(near)) if weights[k] > 0.0]) if left <= _NEARLY else None


def paired_mixture(around: Neighbours, child: int, near: Sequence[int], residual: float) -> Mixture | None:
    """`child` as a sum of two members that is about as exact as another sum with this `residual`, or None."""
    if len(near) < 2:
        return None
    apart = around.distances[np.ix_(near, near)]
    away = around.distances[child, near]
    share = (away[:, None] + apart - away) / (2.0 * np.where(apart > COPY, apart, np.inf))
    left = (away[:, None] - share**2 * apart) / np.minimum(away[:, None], away)
    left = np.where((share > LEAST_WEIGHT) & (share < 1.0 - LEAST_WEIGHT), np.abs(left), np.inf)
    first, second = np.unravel_index(int(np.argmin(left)), left.shape)
    if left[first, second] > max(_AS_EXACT * residual, _ROUNDED):
        return None
    return _linear(around, child, [near[int(first)], near[int(second)]])


def _left(around: Neighbours, child: int, parents: Sequence[int], weights: Float64Array) -> float:
    """Share of the squared movement from the nearest parent that the sum leaves, on tensors that were not fitted."""
    gram = around.offsets(child, parents, held_out=True)
    movement = float(np.diag(gram).min())
    return max(float(weights @ gram @ weights), 0.0) / movement if movement > 0.0 else np.inf


def _linear(around: Neighbours, child: int, parents: Sequence[int]) -> Mixture:
    offsets = around.cohort.points[list(parents)] - around.cohort.points[child]
    weights = simplex_weights(offsets @ offsets.T)
    by_layer = {
        int(layer): tuple(map(float, simplex_weights((part := offsets[:, around.cohort.layers == layer]) @ part.T)))
        for layer in np.unique(around.cohort.layers)
        if layer >= 0
    }
    spread = max((float(np.abs(np.array(w) - weights).max()) for w in by_layer.values()), default=0.0)
    shown = by_layer if spread > _UNEVEN else {}
    fitted = simplex_weights(around.offsets(child, parents))
    return Mixture(tuple(parents), tuple(map(float, weights)), shown, _left(around, child, parents, fitted), "linear")


def _layered(around: Neighbours, child: int, near: Sequence[int]) -> Mixture | None:
    """`child` as an interpolation with separate weights for each layer and the fewest parents, or None."""
    cohort = around.cohort
    layers = np.unique(cohort.layers)
    if len(layers) < 3:
        return None
    offsets = cohort.points[list(near)] - cohort.points[child]
    parts = [offsets[:, cohort.layers == layer] for layer in layers]
    grams = [part @ part.T for part in parts]
    sizes = np.array([(cohort.points[child][cohort.layers == layer] ** 2).sum() for layer in layers])
    ranked = np.argsort(-np.average([simplex_weights(gram) for gram in grams], axis=0, weights=sizes))
    # Mixing must beat taking each layer whole from one parent.
    allowed = _CLOSE * float(sum(np.diag(gram).min() for gram in grams))
    for count in range(2, min(MOST_PARENTS, len(near)) + 1):
        chosen = ranked[:count]
        solved = [simplex_weights(gram[np.ix_(chosen, chosen)]) for gram in grams]
        left = float(sum(w @ gram[np.ix_(chosen, chosen)] @ w for w, gram in zip(solved, grams, strict=True)))
        if left <= allowed:
            mean = np.average(solved, axis=0, weights=sizes)
            if mean.min() < _LEAST_CLOSE:
                return None
            by_layer = {int(k): tuple(map(float, w)) for k, w in zip(layers, solved, strict=True)}
            parents = tuple(near[k] for k in chosen)
            return Mixture(parents, tuple(map(float, mean)), by_layer, _CLOSE * left / allowed, "layerwise linear")
    return None
