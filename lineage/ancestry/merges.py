"""Models that are sums of others: parents found among all candidates at once, with their weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort, Points

EXACT = 0.02  # share of the movement that rounding and spherical interpolation may leave unexplained
LEAST_WEIGHT = 0.02
MOST_PARENTS = 8
_RELATED = 1.0  # squared distance, half of that between unrelated models
COPY = 1e-5  # squared distance that rounding to bfloat16 gives and training does not
_SPIKE_WIDTH = 2e-3  # relative width in which ratios of one constant lie after float32 rounding
_SPIKE = 0.05
_PRUNED = 0.2
_MIN_RATIOS = 100
_MOST_TRIMMED = 5
_TRIMMED = 0.55  # share of moved values that sums of whole or absent differences must give
_EQUAL = 1e-10  # squared difference of equal float32 values, relative
_MIN_SPARSE = 0.05
_MOST_TASKS = 12
_TASK_EXACT = 1e-4


@dataclass(frozen=True, slots=True)
class Mixture:
    """A point as a mixture of others: positions in the cohort, weights, weights by layer, what is left over."""

    parents: tuple[int, ...]
    weights: tuple[float, ...]
    by_layer: dict[int, tuple[float, ...]]
    residual: float
    method: str


def find_mixtures(cohort: Cohort, excluded: Collection[int] = ()) -> dict[int, Mixture]:
    """Every member of a cohort that is a mixture of others, by its position; `excluded` members play no part.

    Exact sums come first. Where a sum can be written without other mixtures it is: merges of the same parents lie in
    each other's hull. Sums of trimmed differences and of task vectors are looked for among the rest.
    """
    members = [i for i in range(len(cohort.members)) if i not in excluded]
    found = {child: one for child in members if (one := _exact(cohort, child, excluded))}
    plain = {child: one for child in found if (one := _exact(cohort, child, {*excluded, *(found.keys() - {child})}))}
    found |= plain
    for kind in (_sparse, _task):
        rest = [child for child in members if child not in found]
        aside = {*excluded, *found}
        found |= {child: one for child in rest if (one := kind(cohort, child, _near(cohort, child, aside)))}
    mixed = [child for child, one in found.items() if not found.keys().isdisjoint(one.parents)]
    return found | {c: one for c in mixed if (one := _exact(cohort, c, {*excluded, *(found.keys() - {c})}))}


def _exact(cohort: Cohort, child: int, excluded: Collection[int]) -> Mixture | None:
    """The weighted sum of other members that `child` is, or None.

    Weights are non-negative and sum to one, over all candidates that are related at all: nothing is named in
    advance. A mixture counts if it leaves under 2% of the squared distance to the nearest parent unexplained on
    tensors that were not fitted; the base of a star, which lies between its children, leaves 1/n.
    """
    near = _near(cohort, child, excluded)
    return None if len(near) < 2 else _linear(cohort, child, near) or _by_layers(cohort, child, near)


def _near(cohort: Cohort, child: int, excluded: Collection[int]) -> list[int]:
    """Related members that are no copies, the nearest first."""
    distances = ((cohort.points - cohort.points[child]) ** 2).sum(axis=1)
    return [
        int(i)
        for i in np.argsort(distances)
        if i != child and i not in excluded and COPY < distances[i] < _RELATED
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
        if not np.isfinite(target).all() or total <= 1e-200:
            return current
        target /= total
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
    sections = [np.flatnonzero(cohort.layers == layer) for layer in np.unique(cohort.layers)]
    if len(sections) < 3:
        return None
    offsets = cohort.points[near] - cohort.points[child]
    parts = [offsets[:, section] for section in sections]
    squares = np.stack([(part**2).sum(axis=1) for part in parts])  # (sections, candidates)
    sizes = np.array([(cohort.points[child][section] ** 2).sum() for section in sections])
    equal = squares <= _EQUAL * sizes[:, None]
    if equal.any(axis=1).all():
        return _passthrough(cohort, near, equal, sizes)
    weights = np.stack([simplex_weights(part @ part.T) for part in parts])
    ranked = np.argsort(-np.average(weights, axis=0, weights=sizes))
    # Mixing must beat taking each layer whole from one parent, with as few parents as will do.
    allowed = EXACT * float(squares.min(axis=1).sum())
    for count in range(2, MOST_PARENTS + 1):
        chosen = ranked[:count]
        solved = [simplex_weights(part[chosen] @ part[chosen].T) for part in parts]
        left = float(sum(((w @ part[chosen]) ** 2).sum() for w, part in zip(solved, parts, strict=True)))
        if left <= allowed:
            mean = np.average(solved, axis=0, weights=sizes)
            by_layer = {int(k): tuple(w) for k, w in zip(np.unique(cohort.layers), solved, strict=True)}
            parents = tuple(near[k] for k in chosen)
            return Mixture(parents, tuple(mean), by_layer, EXACT * left / allowed, "slerp")
    return None


def _passthrough(
    cohort: Cohort, near: list[int], equal: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> Mixture | None:
    """Every layer equal to that of some other model: each is taken from the one that gives most layers."""
    order = np.argsort(-equal.sum(axis=0), kind="stable")
    giver = [int(next(k for k in order if row[k])) for row in equal]
    layers = np.unique(cohort.layers)
    if len({g for g, layer in zip(giver, layers, strict=True) if layer >= 0}) < 2:
        return None  # two children that moved different parts would say this of their parent
    chosen = sorted(set(giver))
    if len(chosen) > MOST_PARENTS:
        return None
    rows = {int(layer): tuple(float(k == g) for k in chosen) for layer, g in zip(layers, giver, strict=True)}
    mean = np.average(list(rows.values()), axis=0, weights=sizes)
    return Mixture(tuple(near[k] for k in chosen), tuple(mean), rows, 0.0, "passthrough")


def _sparse(cohort: Cohort, child: int, near: list[int]) -> Mixture | None:
    """Sum of trimmed differences to a common base (TIES, DARE).

    Many values are the base's, more than any other's; others are a constant multiple of one parent's
    difference.
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
    if (cohort.points[child] == 0).mean() > _PRUNED:
        return None  # what moved, moved to zero
    spikes = _spiking(cohort, base, delta, [i for i in near if i != base])
    if len(spikes) < 2:
        return None
    parents = list(spikes)
    directions = cohort.points[parents] - cohort.points[base]
    if _explained(delta[~zero], [spikes[p] * d[~zero] for p, d in zip(parents, directions, strict=True)]) < _TRIMMED:
        return None
    fitted = np.maximum(np.linalg.lstsq(directions.T, delta, rcond=None)[0], 0.0)
    kept = [k for k in range(len(parents)) if fitted[k] >= LEAST_WEIGHT * fitted.sum()]
    if len(kept) < 2:
        return None
    left = float(((delta - fitted @ directions) ** 2).sum() / (delta**2).sum())
    weights = (*fitted[kept], 1.0 - float(fitted[kept].sum()))
    return Mixture((*(parents[k] for k in kept), base), weights, {}, left, "sparse task vectors (TIES or DARE)")


def _explained(delta: NDArray[np.float64], shares: Sequence[NDArray[np.float64]]) -> float:
    """Share of the moved values that are a sum or a mean of some of the parents' shares, each whole or left out."""
    hit = np.zeros(len(delta), bool)
    for size in range(1, len(shares) + 1):
        for some in combinations(shares, size):
            total = np.sum(some, axis=0)
            for scale in (1.0, 1.0 / size):
                hit |= np.abs(delta - scale * total) <= _SPIKE_WIDTH * np.abs(delta)
    return float(hit.mean())


def _task(cohort: Cohort, child: int, near: list[int]) -> Mixture | None:
    """Task arithmetic: a sum with weights that add up to one, all positive but the common base's."""
    chosen = near[:_MOST_TASKS]
    weights: NDArray[np.float64] = np.empty(0)
    while len(chosen) > 2:
        offsets = cohort.points[chosen] - cohort.points[child]
        weights, left = _affine(offsets)
        smaller = [k for k in range(len(chosen)) if k != int(np.argmin(np.abs(weights)))]
        if left > _TASK_EXACT * float((offsets**2).sum(axis=1).min()):
            return None
        lean, without = _affine(offsets[smaller])
        if without > _TASK_EXACT * float((offsets**2).sum(axis=1).min()):
            break
        chosen, weights = [chosen[k] for k in smaller], lean
    # The base of such a merge is a sum too, with the merge itself at less than -1.
    if not 3 <= len(chosen) <= MOST_PARENTS or (weights < 0).sum() > 1 or weights.min() < -1:
        return None
    return Mixture(tuple(chosen), tuple(weights), {}, 0.0, "task arithmetic")


def _affine(offsets: Points) -> tuple[NDArray[np.float64], float]:
    """Weights of any sign, sum 1, that bring the offsets nearest to nothing, and the squared length that is left."""
    gram = offsets @ offsets.T
    solved = np.linalg.lstsq(gram + np.eye(len(gram)) * 1e-13 * np.trace(gram), np.ones(len(gram)), rcond=None)[0]
    weights = solved / solved.sum() if abs(solved.sum()) > 1e-300 else solved
    return weights, float(((weights @ offsets) ** 2).sum())


def _is_still(delta: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(delta) <= 2e-7 * np.abs(base))


def _spiking(cohort: Cohort, base: int, delta: NDArray[np.float64], others: list[int]) -> dict[int, float]:
    """Members whose difference to the base is one constant times the child's in many places, and that constant.

    Chance has no constant: the ratio of unrelated differences is spread out.
    """
    found: dict[int, tuple[float, float]] = {}
    moved = ~_is_still(delta, cohort.points[base])
    for other in others:
        theirs = cohort.points[other] - cohort.points[base]
        usable = moved & (np.abs(theirs) > 1e-4 * np.abs(cohort.points[base]))
        ratio = delta[usable] / theirs[usable]
        logs = np.sort(np.log(ratio[ratio > 0]))
        if len(logs) < _MIN_RATIOS:
            continue
        window = np.searchsorted(logs, logs + _SPIKE_WIDTH, "right") - np.arange(len(logs))
        at = int(np.argmax(window))
        if window[at] > _SPIKE * usable.sum():
            found[other] = float(window[at] / usable.sum()), float(np.exp(np.median(logs[at : at + window[at]])))
    strongest = sorted(found, key=lambda other: -found[other][0])[:_MOST_TRIMMED]
    return {other: found[other][1] for other in strongest}


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
