"""Merges as model merging tools make them: linear, slerp, task arithmetic, TIES, DARE, passthrough. NumPy only."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from operators import Arrays

Tensor = NDArray[Any]


def linear(parents: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
    """The weighted sum; the weights should sum to one."""
    return {n: _summed([p[n] for p in parents], weights) for n in parents[0]}


def layer_share(name: str, pattern: str, layers: int, ends: tuple[float, float]) -> float:
    """One tensor's share: from `ends[0]` in the first layer to `ends[1]` in the last, the mean elsewhere."""
    found = re.match(pattern, name)
    at = int(found[1]) / (layers - 1) if found else 0.5
    return ends[0] + at * (ends[1] - ends[0])


def slerp(a: Arrays, b: Arrays, share: Callable[[str], float]) -> Arrays:
    """Walk from `a` to `b` on the great circle of each tensor, by `share(name)` (Shoemake 1985)."""
    return {n: _slerp(a[n], b[n], share(n)) for n in a}


def _slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    inner = float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
    angle = np.arccos(np.clip(inner, -1, 1))
    if angle < 1e-4:
        return np.asarray((1 - t) * a + t * b, np.float32)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle), np.float32)


def task_arithmetic(base: Arrays, tuned: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
    """Base plus weighted deltas (Ilharco et al. 2023)."""
    return {n: base[n] + _summed([p[n] - base[n] for p in tuned], weights) for n in base}


def dare(base: Arrays, tuned: Sequence[Arrays], weights: Sequence[float], density: float, seed: int) -> Arrays:
    """Deltas dropped at random to `density`, rescaled, added (DARE: Yu et al. 2024)."""
    return {
        n: base[n] + _summed([_dropped(p[n] - base[n], density, seed + i, n) for i, p in enumerate(tuned)], weights)
        for n in base
    }


def ties(base: Arrays, tuned: Sequence[Arrays], weights: Sequence[float], density: float) -> Arrays:
    """Deltas trimmed to their largest, one sign elected, those that agree averaged (TIES: Yadav et al. 2023)."""
    return {n: base[n] + _elected([_trimmed(p[n] - base[n], density) for p in tuned], weights) for n in base}


def dare_ties(base: Arrays, tuned: Sequence[Arrays], weights: Sequence[float], density: float, seed: int) -> Arrays:
    """DARE's dropping with TIES' election of signs."""
    return {
        n: base[n] + _elected([_dropped(p[n] - base[n], density, seed + i, n) for i, p in enumerate(tuned)], weights)
        for n in base
    }


def passthrough(parents: Sequence[Arrays], order: Sequence[tuple[int, int]], pattern: str) -> Arrays:
    """Layers stacked in `order` of (parent, layer); what lies outside the layers comes from the first parent.

    One parent gives dropped, repeated or reordered layers. `pattern` has one group, the layer's number.
    """
    result = {n: a for n, a in parents[0].items() if not re.match(pattern, n)}
    for new, (parent, old) in enumerate(order):
        for name, array in parents[parent].items():
            found = re.match(pattern, name)
            if found and int(found[1]) == old:
                result[f"{name[: found.start(1)]}{new}{name[found.end(1) :]}"] = array
    return result


def _summed(deltas: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    return np.asarray(sum((np.float32(w) * d for d, w in zip(deltas, weights, strict=True)), np.float32(0)), np.float32)


def _dropped(delta: Tensor, density: float, seed: int, name: str) -> Tensor:
    kept = np.random.default_rng([seed, zlib.crc32(name.encode())]).random(delta.shape) < density
    return np.where(kept, delta / np.float32(density), np.float32(0))


def _trimmed(delta: Tensor, density: float) -> Tensor:
    least = np.quantile(np.abs(delta), 1 - density)
    return np.where(np.abs(delta) >= least, delta, np.float32(0))


def _elected(deltas: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    weighted = np.stack([np.float32(w) * d for d, w in zip(deltas, weights, strict=True)])
    sign = np.sign(weighted.sum(axis=0))
    agree = (np.sign(weighted) == sign) & (weighted != 0)
    shares = np.asarray(weights, np.float32).reshape(-1, *[1] * (weighted.ndim - 1))
    total = np.where(agree, shares, 0).sum(axis=0)
    mean = np.where(agree, weighted, 0).sum(axis=0) / np.where(total > 0, total, 1)
    return np.asarray(mean * np.float32(sum(weights)), np.float32)
