"""Differences of models from a common base, value by value, with their rounding errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.ratios import SINGLE, Values

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences of a supposed merge and of candidates from a base, with their rounding errors.

    `moved` (dims,) float64, `theirs` (candidates, dims) float64, `error` (dims,), `tensors` (dims,) numbers the
    tensors; `still` (dims,) marks values equal to the base's. `elsewhere` (dims,) are other places of the same tensors:
    the candidates' differences there give what chance would explain.
    """

    moved: Values
    theirs: Values
    error: Values
    tensors: NDArray[np.int64]
    still: Mask
    rounding: float
    elsewhere: NDArray[np.int64]


def _elsewhere(tensors: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each value another place of its tensor."""
    places = np.arange(len(tensors))
    for number in np.unique(tensors):
        inside = np.flatnonzero(tensors == number)
        places[inside] = np.roll(inside, len(inside) // 2 + 1)
    return places


def trained_alike(cohort: Cohort) -> Mask:
    """Marks values outside token tables, (dims,): rows of unused tokens only decay, by a constant in every model."""
    tables = [number for number, key in enumerate(cohort.keys) if key[1] in ("token-embedding", "head")]
    used = ~np.isin(cohort.tensors, tables)
    return used if used.any() else np.ones_like(used)


def differences(
    cohort: Cohort,
    ends: tuple[int, int],
    near: Sequence[int],
    rounding: float,
    most: int | None = None,
    *,
    zero_in: int | None = None,
) -> Differences:
    """Differences of a child and of candidates from a base, over all values or about `most` of them.

    `ends` are the child and the base, `near` the candidates (positions). Values that are zero in the child, the base or
    any candidate are left out: models pruned alike agree in their zeros. Or else those are taken that are zero in one
    of the candidates only, `zero_in` (its place in `near`).
    """
    places = np.flatnonzero(trained_alike(cohort))
    if most is not None and most < len(places):
        places = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
    here, start, *points = cohort.points[np.ix_(np.array([*ends, *near]), places)]
    others = np.array(points).reshape(len(near), len(places))
    wanted = np.arange(len(near)) != (-1 if zero_in is None else zero_in)
    used = (here != 0.0) & (start != 0.0) & ((others != 0.0) == wanted[:, None]).all(axis=0)
    others, here, start = others[:, used], here[used], start[used]
    moved = here - start
    error = 1e-6 * np.abs(moved) + 2 * SINGLE * (np.abs(here) + np.abs(start) + np.abs(others).max(axis=0, initial=0.0))
    if rounding > SINGLE:
        error += rounding * (np.abs(here) + np.abs(moved))
    still = np.abs(moved) <= error
    tensors = cohort.tensors[places][used]
    return Differences(moved, others - start, error, tensors, still, rounding, _elsewhere(tensors))
