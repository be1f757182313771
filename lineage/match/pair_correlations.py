"""Pearson's r and the cosine of pairs of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import facing
from lineage.match.permutation import correlation, cosine
from lineage.match.units import centred, common_centred, same_positions
from lineage.match.values import Values, common_values
from lineage.sketch.family import MIN_UNITS
from lineage.sketch.stacks import in_stacks, laid
from lineage.types import TensorSketch

_TOGETHER = 32  # pairs processed at once: they fit in the processor's cache

Sides = tuple[TensorSketch, TensorSketch, bool]
"""Query tensor, reference tensor, and whether one is stored transposed."""


def pair_correlation(a: TensorSketch, b: TensorSketch, transposed: bool) -> float | None:
    """Pearson r of two tensors: from unit vectors where there are enough, else from the sampled values."""
    return pair_correlations([(a, b, transposed)])[0]


def pair_correlations(pairs: Sequence[Sides]) -> list[float | None]:
    """The same of many pairs."""
    by_units = [_of_units(*pair) for pair in pairs]
    found = [r for r, _ in by_units]
    left = [i for i, (_, is_told) in enumerate(by_units) if not is_told]
    values = [common_values(*pairs[i]) for i in left]
    less_mean = [_less_mean([one[side] for one in values]) for side in (0, 1)]
    for i, (x, _), r in zip(left, values, cosines(list(zip(*less_mean, strict=True))), strict=True):
        found[i] = r if x.size > 2 else None
    return found


def _less_mean(values: Sequence[Values]) -> list[Values]:
    """Values of each tensor less their mean."""
    found = list(values)
    in_order = [i for i, one in enumerate(values) if one.size and one.flags.c_contiguous]
    for places, some in in_stacks([values[i] for i in in_order], _TOGETHER):
        flat = some.reshape(len(some), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        for place, one in zip(places, some, strict=True):
            found[in_order[place]] = one
    for i in {*range(len(values))} - {*in_order}:  # a sum in the order of memory
        found[i] = values[i] - values[i].mean() if values[i].size else values[i]
    return found


def _of_units(a: TensorSketch, b: TensorSketch, transposed: bool) -> tuple[float | None, bool]:
    """R from unit vectors, and whether there are enough of them."""
    left, right = centred(a, 0), centred(b, facing(0, transposed))
    if left is None or right is None:
        return None, False
    if not same_positions(left.positions, right.positions):
        rows = common_centred(a, b, facing(0, transposed))
        return (correlation(*rows), True) if len(rows[0]) >= MIN_UNITS else (None, False)
    if len(left.positions) < MIN_UNITS:
        return None, False
    return cosine(float(left.flat @ right.flat), left.norm * right.norm), True


def cosines(pairs: Sequence[tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]]) -> list[float | None]:
    """The cosine of each two arrays of one shape (see `correlation`)."""
    found: list[float | None] = [None] * len(pairs)
    for places, x in in_stacks([x for x, _ in pairs], _TOGETHER):
        left, right = (
            one.reshape(len(places), -1).astype(np.float64) for one in (x, laid([pairs[i][1] for i in places]))
        )
        products, norms = np.vecdot(left, right), np.sqrt(np.vecdot(left, left) * np.vecdot(right, right))
        for i, product, norm in zip(places, products.tolist(), norms.tolist(), strict=True):
            found[i] = cosine(product, norm)
    return found
