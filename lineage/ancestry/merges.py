"""Models that are sums of others: parents found among all candidates at once, with their weights."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort, Points

EXACT = 0.02  # share of the movement that rounding and spherical interpolation may leave unexplained
LEAST_WEIGHT = 0.02
MOST_PARENTS = 8
_RELATED = 1.0  # squared distance, half of that between unrelated models
_SAME = 1e-9
_SPIKE_WIDTH = 2e-3  # relative width in which ratios of one constant lie after float32 rounding
_SPIKE = 0.08
_MIN_SPARSE = 0.05


@dataclass(frozen=True, slots=True)
class Mixture:
    """A point as a mixture of others: positions in the cohort, weights, weights by layer, what is left over."""

    parents: tuple[int, ...]
    weights: tuple[float, ...]
    by_layer: dict[int, tuple[float, ...]]
    residual: float
    method: str


def find_mixtures(cohort: Cohort) -> dict[int, Mixture]:
    """Every member of a cohort that is a mixture of others, by its position.

    Exact sums come first; a sum of trimmed differences is looked for among the rest, without them as parents.
    """
    exact = {child: found for child in range(len(cohort.members)) if (found := find_mixture(cohort, child))}
    rest = [child for child in range(len(cohort.members)) if child not in exact]
    sparse = {child: found for child in rest if (found := _sparse(cohort, child, _near(cohort, child, exact)))}
    return exact | sparse


def find_mixture(cohort: Cohort, child: int) -> Mixture | None:
    """The weighted sum of other members that `child` is, or None.

    Weights are non-negative and sum to one, over all candidates that are related at all: nothing is named in
    advance. A mixture counts if it leaves under 2% of the squared distance to the nearest parent unexplained on
    tensors that were not fitted; the base of a star, which lies between its children, leaves 1/n.
    """
    near = _near(cohort, child, ())
    return None if len(near) < 2 else _linear(cohort, child, near) or _by_layers(cohort, child, near)


def _near(cohort: Cohort, child: int, excluded: Container[int]) -> list[int]:
    """Related members that are no copies, the nearest first."""
    distances = ((cohort.points - cohort.points[child]) ** 2).sum(axis=1)
    return [
        int(i)
        for i in np.argsort(distances)
        if i != child and i not in excluded and _SAME < distances[i] < _RELATED
    ]


def simplex_weights(gram: Points) -> NDArray[np.float64]:
    """Weights w >= 0, sum 1, that minimise w' gram w, by an active set (Lawson and Hanson 1974)."""
    count = len(gram)
    ridge = gram + np.eye(count) * 1e-12 * max(float(np.trace(gram)), 1e-300)
    support = [int(np.argmin(np.diag(ridge)))]
    weights = np.zeros(count)
    weights[support] = 1.0
    for _ in range(8 * count):
        gradient = ridge @ weights
        level = float(weights @ gradient)
        entering = int(np.argmin(gradient))
        if gradient[entering] >= level - 1e-9 * abs(level) or entering in support:
            break
        support.append(entering)
        weights = _on_support(ridge, support, weights)
        support = [i for i in support if weights[i] > 0]
    return weights


def _on_support(gram: Points, support: list[int], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise on the support; a weight that would turn negative leaves it, at the point where it reaches zero."""
    current = start.copy()
    active = list(support)
    while True:
        target = np.linalg.lstsq(gram[np.ix_(active, active)], np.ones(len(active)), rcond=None)[0]
        total = float(target.sum())
        if total <= 0:
            return current
        target = target / total
        negative = [(i, t) for i, t in zip(active, target, strict=True) if t <= 0]
        if not negative:
            result = np.zeros(len(gram))
            result[active] = target
            return result
        steps = [current[i] / (current[i] - t) for i, t in negative if current[i] > t]
        step = min(steps, default=0.0)
        for i, t in zip(active, target, strict=True):
            current[i] += step * (t - current[i])
        leaving = {i for i, t in negative if current[i] <= 1e-12} or {negative[0][0]}
        for i in leaving:
            current[i] = 0.0
        active = [i for i in active if i not in leaving]
        if len(active) == 1:
            current[:] = 0.0
            current[active[0]] = 1.0
            return current


def _linear(cohort: Cohort, child: int, near: list[int]) -> Mixture | None:
    offsets = cohort.points[near] - cohort.points[child]
    fitted = cohort.tensors % 2 == 0
    if fitted.all():
        fitted = np.arange(len(fitted)) % 2 == 0
    weights = simplex_weights(offsets[:, fitted] @ offsets[:, fitted].T)
    chosen = [k for k in range(len(near)) if weights[k] >= LEAST_WEIGHT]
    if not 2 <= len(chosen) <= MOST_PARENTS:
        return None
    held_out = offsets[np.ix_(chosen, ~fitted)]
    left = float(((_normalised(weights[chosen]) @ held_out) ** 2).sum())
    movement = float((held_out**2).sum(axis=1).min())
    if movement == 0.0 or left > EXACT * movement:
        return None
    kept = offsets[chosen]
    final = simplex_weights(kept @ kept.T)
    by_layer = _layer_weights(cohort, child, [near[k] for k in chosen])
    spread = max((float(np.abs(np.array(w) - final).max()) for w in by_layer.values()), default=0.0)
    parents = tuple(near[k] for k in chosen)
    return Mixture(parents, tuple(final), by_layer if spread > 0.05 else {}, left / movement, "linear")


def _by_layers(cohort: Cohort, child: int, near: list[int]) -> Mixture | None:
    """Weights that differ from layer to layer: graded interpolation, and layers taken from several models."""
    offsets = cohort.points[near] - cohort.points[child]
    sections = np.unique(cohort.layers)
    if len(sections) < 3:
        return None
    solved = {}
    for section in sections:
        part = offsets[:, cohort.layers == section]
        solved[int(section)] = simplex_weights(part @ part.T)
    total = np.stack(list(solved.values()))
    chosen = [k for k in range(len(near)) if total[:, k].max() >= 0.1]
    if not 2 <= len(chosen) <= MOST_PARENTS:
        return None
    left = movement = 0.0
    sizes = {}
    by_layer = {}
    for section in sections:
        part = offsets[np.ix_(chosen, cohort.layers == section)]
        weights = simplex_weights(part @ part.T)
        by_layer[int(section)] = tuple(weights)
        left += float(((weights @ part) ** 2).sum())
        sizes[int(section)] = float((cohort.points[child][cohort.layers == section] ** 2).sum())
    movement = float((offsets[chosen] ** 2).sum(axis=1).min())
    if left > EXACT * movement:
        return None
    mean = np.average(list(by_layer.values()), axis=0, weights=[sizes[s] for s in by_layer])
    if float(mean.min()) < LEAST_WEIGHT:
        return None
    whole = all(max(w) > 0.98 for w in by_layer.values())
    method = "passthrough" if whole else "slerp"
    return Mixture(tuple(near[k] for k in chosen), tuple(mean), by_layer, left / movement, method)


def _sparse(cohort: Cohort, child: int, near: list[int]) -> Mixture | None:
    """Sum of trimmed differences to a common base (TIES, DARE).

    Many values are the base's, more than any other model's; others are a constant multiple of one parent's difference.
    """
    here = cohort.points[child]
    still = {base: float(_is_still(here - cohort.points[base], cohort.points[base]).mean()) for base in near}
    base = max(near, key=still.__getitem__, default=None)
    return None if base is None or still[base] < _MIN_SPARSE else _sparse_on(cohort, child, base, near)


def _sparse_on(cohort: Cohort, child: int, base: int, near: list[int]) -> Mixture | None:
    delta = cohort.points[child] - cohort.points[base]
    zero = _is_still(delta, cohort.points[base])
    shares = np.array([zero[cohort.tensors == t].mean() for t in np.unique(cohort.tensors)])
    # Frozen tensors are still as a whole; trimming leaves some values of nearly every tensor.
    if ((shares > 0.02) & (shares < 0.98)).mean() < 0.5:
        return None
    parents = _spiking(cohort, base, delta, [i for i in near if i != base])
    if len(parents) < 2:
        return None
    directions = cohort.points[parents] - cohort.points[base]
    fitted = np.maximum(np.linalg.lstsq(directions.T, delta, rcond=None)[0], 0.0)
    kept = [k for k in range(len(parents)) if fitted[k] >= LEAST_WEIGHT * fitted.sum()]
    if len(kept) < 2:
        return None
    left = float(((delta - fitted @ directions) ** 2).sum() / (delta**2).sum())
    weights = tuple(_normalised(fitted[kept]))
    return Mixture(tuple(parents[k] for k in kept), weights, {}, left, "sparse task vectors (TIES or DARE)")


def _is_still(delta: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(delta) <= 2e-7 * np.abs(base))


def _spiking(cohort: Cohort, base: int, delta: NDArray[np.float64], others: list[int]) -> list[int]:
    """Members whose difference to the base is one constant times the child's at many places: chance has no constant."""
    found: list[tuple[float, int]] = []
    moved = ~_is_still(delta, cohort.points[base])
    for other in others:
        theirs = cohort.points[other] - cohort.points[base]
        usable = moved & (np.abs(theirs) > 1e-4 * np.abs(cohort.points[base]))
        if usable.sum() < 200:
            continue
        ratio = delta[usable] / theirs[usable]
        logs = np.sort(np.log(ratio[ratio > 0]))
        if len(logs) < 100:
            continue
        window = np.searchsorted(logs, logs + _SPIKE_WIDTH, "right") - np.arange(len(logs))
        share = float(window.max()) / usable.sum()
        if share > _SPIKE:
            found.append((share, other))
    return [other for _, other in sorted(found, reverse=True)[:MOST_PARENTS]]


def _layer_weights(cohort: Cohort, child: int, parents: list[int]) -> dict[int, tuple[float, ...]]:
    offsets = cohort.points[parents] - cohort.points[child]
    return {
        int(layer): tuple(simplex_weights((part := offsets[:, cohort.layers == layer]) @ part.T))
        for layer in np.unique(cohort.layers)
        if layer >= 0
    }


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(weights.sum())
    return weights / total if total > 0 else weights
