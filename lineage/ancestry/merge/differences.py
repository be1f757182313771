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

    `moved` (dims,) float64 are those of the supposed merge, `theirs` (candidates, dims) float64 those of the
    candidates. `error` (dims,) is the greatest rounding error of a prediction, `tensors` (dims,) the number of each
    value's tensor; `still` (dims,) marks values equal to the base's within `error`. `rounding` is the relative rounding
    of the merge's type.
    """

    moved: Values
    theirs: Values
    error: Values
    tensors: NDArray[np.int64]
    still: Mask
    rounding: float

    def without_order(self) -> Values:
        """The candidates' differences, shifted to other positions of the same tensors: a null model for chance."""
        places = np.arange(len(self.moved))
        for number in np.unique(self.tensors):
            inside = np.flatnonzero(self.tensors == number)
            places[inside] = np.roll(inside, len(inside) // 2 + 1)
        return np.asarray(self.theirs[:, places])


def trained_alike(cohort: Cohort) -> Mask:
    """Marks values outside token tables, (dims,): rows of unused tokens only decay, by a constant in every model."""
    tables = [number for number, key in enumerate(cohort.keys) if key[1] in ("token-embedding", "head")]
    used = ~np.isin(cohort.tensors, tables)
    return used if used.any() else np.ones_like(used)


def differences(
    cohort: Cohort, ends: tuple[int, int], near: Sequence[int], rounding: float, most: int | None = None
) -> Differences:
    """Differences of a child and of candidates from a base, over all values or about `most` of them.

    `ends` are the child and the base, `near` the candidates (positions). Values that are zero in the child, the base or
    any candidate are left out: models pruned alike agree in their zeros.
    """
    places = np.flatnonzero(trained_alike(cohort))
    if most is not None and most < len(places):
        places = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
    here, start, *points = cohort.points[np.ix_(np.array([*ends, *near]), places)]
    others = np.array(points).reshape(len(near), len(places))
    used = (here != 0.0) & (start != 0.0) & (others != 0.0).all(axis=0)
    others, here, start = others[:, used], here[used], start[used]
    moved = here - start
    error = 1e-6 * np.abs(moved) + 2 * SINGLE * (np.abs(here) + np.abs(start) + np.abs(others).max(axis=0, initial=0.0))
    if rounding > SINGLE:
        error += rounding * (np.abs(here) + np.abs(moved))
    still = np.abs(moved) <= error
    return Differences(moved, others - start, error, cohort.tensors[places][used], still, rounding)
