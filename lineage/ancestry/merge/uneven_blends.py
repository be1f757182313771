"""Sums of models with weights of their own for each tensor, which tools give by filters or by the models' angle.

As in `blends`, residuals are divided by the largest rounding errors of the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    (weights,), (left,) = _free(products, np.arange(len(near))[None])
    if (left > _LEFT_BY_TENSOR).any():
        return None
    likely = np.sort(np.argsort(-np.abs(weights).mean(axis=0), kind="stable")[:_LIKELY])
    for size in range(2, min(MOST, len(near)) + 1):
        found: list[tuple[float, tuple[int, ...], Float64Array]] = []
        # Relatives of a parent share its weight, so that one of two parents need not be among the likely members.
        sets = sets_of(len(near), size) if size == 2 else likely[sets_of(len(likely), size)]
        some, left = _free(products, sets) if size == 2 else _summing_to_one(grams, sets)
        for k in np.flatnonzero((left <= _LEFT_BY_TENSOR).all(axis=1)).tolist():
            chosen, weights = tuple(sets[k].tolist()), some[k]
            mean = np.average(weights, axis=0, weights=sizes)
            if weights.min() < -LEAST_WEIGHT or mean.min() < LEAST_WEIGHT:
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
    _, left = _free((rows @ rows.T / max(1, rows.shape[1]))[None], np.arange(len(near))[None])
    return bool(left[0, 0] <= _LEFT_BY_TENSOR)


def _free(products: Float64Array, sets: NDArray[np.int64]) -> tuple[Float64Array, Float64Array]:
    """Weights (sets, tensors, terms) of any sum that leave least, and the mean squares that they leave (sets, tensors).

    `products` (tensors, n + 1, n + 1) are those of all terms and, last, of the model itself; `sets` (sets, terms).
    """
    terms = _of_sets(products, sets)
    ridge = (RIDGE * np.trace(terms, axis1=2, axis2=3)[..., None, None] + 1e-300) * np.eye(sets.shape[1])
    onto = products[:, sets, -1].transpose(1, 0, 2)
    weights = np.linalg.solve(terms + ridge, onto[..., None])[..., 0]
    left = products[:, -1, -1] - 2 * np.vecdot(weights, onto) + np.einsum("sti,stij,stj->st", weights, terms, weights)
    return weights, left


def _summing_to_one(grams: Float64Array, sets: NDArray[np.int64]) -> tuple[Float64Array, Float64Array]:
    terms = _of_sets(grams, sets)
    weights = weights_of(terms.reshape(-1, *terms.shape[2:])).reshape(terms.shape[:3])
    return weights, np.einsum("sti,stij,stj->st", weights, terms, weights)


def _of_sets(products: Float64Array, sets: NDArray[np.int64]) -> Float64Array:
    """The products of the terms of each set with one another, (sets, tensors, terms, terms)."""
    return products[:, sets[:, :, None], sets[:, None, :]].transpose(1, 0, 2, 3)


def _base(weights: Float64Array) -> int | None:
    """Which of three terms has other weights than the other two, which have the same in each tensor; None if none."""
    if weights.shape[1] != MOST:
        return None
    apart = [np.abs(np.delete(weights, one, axis=1) @ [1.0, -1.0]).max() for one in range(MOST)]
    return int(np.argmin(apart)) if min(apart) <= _EQUAL else None
