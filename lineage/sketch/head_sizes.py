"""How many heads of queries share keys and values, by the weights, where no config says so.

What a head writes is not independent of what it reads, nor its queries of its keys: the traces of its products are far
from 0 in trained models, and no order of heads and nothing that is done to values and undone behind them alters them.
If heads are taken to be of another size, most queries face keys that are not theirs, and the traces are smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.types import Float32Array

_SIZES = (16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256)
_SIDES = (("q", "k"), ("o", "v"))
_SIGNIFICANT = 5.0  # standard deviations of the sum of squares above its mean, after the choice among the sizes


def inferred_heads(layers: Sequence[Mapping[str, Float32Array]]) -> int | None:
    """The number of query heads of layers whose keys and values, shared by groups of them, are known along anchors.

    Each layer has q, k, v and o, (units, anchors). The size is chosen by one half of the anchors and must be chosen by
    the other half too, significantly. None otherwise, and where layers differ in their units.
    """
    known = [one for one in layers if {"q", "k", "v", "o"} <= one.keys()]
    if len({(one["o"].shape, *(one[role].shape for role in "qkv")) for one in known}) != 1:
        return None
    units, shared = len(known[0]["q"]), len(known[0]["k"])
    fitting = (
        len(known[0]["o"]) == units and len(known[0]["v"]) == shared and 0 < shared < units and units % shared == 0
    )
    sizes = [size for size in _SIZES if shared % size == 0] if fitting else []
    if not sizes:
        return None
    scores = np.array([[_score(known, size, half) for size in sizes] for half in (0, 1)])
    chosen = int(scores[0].argmax())
    count = 2 * len(known)
    least = count + math.sqrt(2.0 * count) * (_SIGNIFICANT + math.log(len(sizes)))
    if int(scores[1].argmax()) != chosen or float(scores[1, chosen]) < least:
        return None
    return units // sizes[chosen]


def shared_with(units: int, shared: int, size: int) -> NDArray[np.int64]:
    """For each unit of the queries its key among the shared ones, (units,), if heads have so many units."""
    heads, places = np.divmod(np.arange(units), size)
    return np.asarray(heads // (units // shared) * size + places, np.int64)


def _score(layers: Sequence[Mapping[str, Float32Array]], size: int, half: int) -> float:
    return sum(z * z for layer in layers for z in _traces(layer, size, half))


def _traces(layer: Mapping[str, Float32Array], size: int, half: int) -> Iterator[float]:
    """The standardised sums of the products of units that face each other: queries and keys, outputs and values."""
    for one, other in _SIDES:
        left, right = (layer[role][:, half::2].astype(np.float64) for role in (one, other))
        facing = right[shared_with(len(left), len(right), size)]
        mean = float(left.mean(axis=0) @ right.mean(axis=0))
        square = float(np.vdot(left.T @ left, right.T @ right)) / (len(left) * len(right)) - mean**2
        spread = math.sqrt(max(0.0, square) * len(left))
        yield (float(np.vdot(left, facing)) - len(left) * mean) / spread if spread > 0 else 0.0
