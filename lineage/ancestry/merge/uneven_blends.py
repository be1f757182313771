"""Sums of models with weights of their own for each tensor, which tools give by filters or by the models' angle.

As in `blends`, residuals are divided by the largest rounding errors of the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineage.ancestry.merge.blends import (
    LEAST_WEIGHT,
    MOST,
    RIDGE,
    SURELY,
    come_out,
    in_errors,
    sets_of,
    weights_of,
)
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import SINGLE
from lineage.types import Float64Array

_MOST_TRIED = 48  # nearest members that are tried with weights by tensor, of which a tensor has some hundred values
_LIKELY = 6  # of these, members with most weight, of which two or three may have been added
_LEFT_BY_TENSOR = 0.5  # the same for one tensor of some hundred values: 0.40 at most in 80 tensors of true sums
_OF_A_TERM = 0.125  # of the weight of a term: half of what is not reproduced if the term was rounded after a sum itself
_EQUAL = 0.02  # difference of two weights that are known to 1e-3


def uneven_blend(around: Neighbours, child: int, excluded: frozenset[int]) -> Mixture | None:
    """`child` as a sum of two or three other members with weights of their own for each tensor; None otherwise.

    Spherical interpolation of two has such weights, of any sum, and in many recipes other shares for attention than for
    MLPs; so have mixes of a mean of models with their base (Model Stock, Jang et al. 2024), of which the base is told
    by its weights. None in single precision, where a sum is rounded at each step.
    """
    near = around.near(child, excluded, beyond=0.0)[:_MOST_TRIED]
    rounding = around.grain(child)
    if rounding == SINGLE or len(near) < 2 or not _is_likely(around, child, near, rounding):
        return None
    offsets, own, told = in_errors(around, child, near, rounding)
    starts = np.flatnonzero(np.diff(around.cohort.tensors[told], prepend=-1))
    parts = [np.split(rows, starts[1:], axis=1) for rows in (np.vstack([offsets + own, own]), offsets)]
    products, grams = (np.array([part @ part.T / part.shape[1] for part in some]) for some in parts)
    sizes = [part.shape[1] for part in parts[1]]
    weights, left = _free(products, range(len(near)))
    if (left > _LEFT_BY_TENSOR).any():
        return None
    likely = np.sort(np.argsort(-np.abs(weights).mean(axis=0), kind="stable")[:_LIKELY])
    for size in range(2, min(MOST, len(likely)) + 1):
        found: list[tuple[float, tuple[int, ...], Float64Array]] = []
        for chosen in map(tuple, likely[sets_of(len(likely), size)].tolist()):
            weights, left = _free(products, chosen) if size == 2 else _summing_to_one(grams[:, chosen][:, :, chosen])
            mean = np.average(weights, axis=0, weights=sizes)
            if (left > _LEFT_BY_TENSOR).any() or weights.min() < -LEAST_WEIGHT or mean.min() < LEAST_WEIGHT:
                continue
            spread = np.repeat(weights, sizes, axis=0).T
            off = (spread * offsets[list(chosen)]).sum(axis=0) + (spread.sum(axis=0) - 1.0) * own
            share = come_out(offsets[list(chosen)], off)
            if share >= max(SURELY, 1.0 - _OF_A_TERM * float(mean.min())):
                found.append((share, chosen, weights))
        if found:
            _, chosen, weights = max(found, key=lambda one: one[0])
            mean = np.average(weights, axis=0, weights=sizes)
            base = _base(weights)
            order = sorted(range(size), key=lambda place: place == base)
            parents = tuple(near[chosen[place]] for place in order)
            shares = tuple(float(mean[place] / mean.sum()) for place in order)
            if base is None:
                return Mixture(parents, shares, {}, 0.0, "tensorwise linear")
            return Mixture(parents, shares, {}, 0.0, "model stock", task_base=parents[-1])
    return None


def _is_likely(around: Neighbours, child: int, near: Sequence[int], rounding: float) -> bool:
    """Whether the first tensor is a sum of all the others': it excludes nearly all models that are no sums."""
    first = int(np.searchsorted(around.cohort.tensors, around.cohort.tensors[0], side="right"))  # they lie in order
    offsets, own, _ = in_errors(around, child, near, rounding, slice(first))
    rows = np.vstack([offsets + own, own])
    _, left = _free((rows @ rows.T / max(1, rows.shape[1]))[None], range(len(near)))
    return bool(left[0] <= _LEFT_BY_TENSOR)


def _free(products: Float64Array, chosen: Sequence[int]) -> tuple[Float64Array, Float64Array]:
    """Weights (tensors, terms) of any sum that leave least, and the mean squares that they leave (tensors,).

    `products` (tensors, n + 1, n + 1) are those of all terms and, last, of the model itself.
    """
    terms = products[:, chosen][:, :, chosen]
    ridge = (RIDGE * np.trace(terms, axis1=1, axis2=2)[:, None, None] + 1e-300) * np.eye(len(chosen))
    weights = np.linalg.solve(terms + ridge, products[:, chosen, -1:])[..., 0]
    signed = np.concatenate([weights, np.full((len(weights), 1), -1.0)], axis=1)
    places = [*chosen, products.shape[1] - 1]
    return weights, np.einsum("ti,tij,tj->t", signed, products[:, places][:, :, places], signed)


def _summing_to_one(grams: Float64Array) -> tuple[Float64Array, Float64Array]:
    weights = weights_of(grams)
    return weights, np.einsum("ti,tij,tj->t", weights, grams, weights)


def _base(weights: Float64Array) -> int | None:
    """Which of three terms has other weights than the other two, which have the same in each tensor; None if none."""
    if weights.shape[1] != MOST:
        return None
    apart = [np.abs(np.delete(weights, one, axis=1) @ [1.0, -1.0]).max() for one in range(MOST)]
    return int(np.argmin(apart)) if min(apart) <= _EQUAL else None
