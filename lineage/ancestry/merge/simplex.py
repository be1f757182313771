"""Least squares with non-negative weights that sum to one."""

from __future__ import annotations

import numpy as np

from lineage.types import Float64Array

_RIDGE = 1e-12  # share of the trace that is added to the diagonal: points that lie between others make it singular


def simplex_weights(gram: Float64Array) -> Float64Array:
    """Weights w (n,) >= 0, sum 1, that minimise w' gram w, `gram` (n, n); active set (Lawson and Hanson 1974)."""
    count = len(gram)
    ridge = gram + np.eye(count) * _RIDGE * max(float(np.trace(gram)), 1e-300)
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


def least_left(gram: Float64Array) -> float:
    """A lower bound of w' gram w over all weights w (n,) >= 0 that sum to one, `gram` (n, n): that of any sign."""
    ridge = _RIDGE * max(float(np.trace(gram)), 1e-300)
    total = float(np.linalg.solve(gram + np.eye(len(gram)) * ridge, np.ones(len(gram))).sum())
    return 1.0 / total - ridge if total > 0.0 else 0.0  # the ridge adds no more than itself to weights of one sign


def _on_support(gram: Float64Array, support: list[int], start: Float64Array) -> Float64Array:
    """Minimise on the support; a weight that would become negative leaves the support where it reaches zero."""
    current = start.copy()
    active = list(support)
    while True:
        target = np.linalg.solve(gram[np.ix_(active, active)], np.ones(len(active)))
        total = float(target.sum())
        # If a point lies between two others, the determinant is rounding only and may have either sign.
        if not np.isfinite(target).all() or abs(total) <= 1e-200:
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
