"""Means of models that come out value by value, however little they moved apart: soups, averaged checkpoints.

Where models moved little, what their storage rounded off is most of what a least-squares sum leaves, and the base of a
star looks like the mean of its children. But each value of a mean is the mean of their values to half a unit in the
last place, also where these lie many units apart; the value of a base is not (model soups: Wortsman et al. 2022).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.mixture import RELATED, Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import SINGLE

_NEAREST = 10  # members of which any may have been averaged
_MOST = 5  # averaged at once
_LOOK = 512  # values by which it is seen which may be
_ROUNDINGS = {True: 4.0, False: 1.1}  # largest errors that a value may lie off, in single precision or a narrow type
_APART = 8.0  # times as far apart the terms of a value must lie that tells: a base lies on their mean by chance
_LEAST = 100  # such values, without which nothing is told
_MAYBE = 0.9  # share of those looked at that come out of what is worth a closer look
_SURELY = 0.97  # share of all of them that must: of a star's base half do

Floats = NDArray[np.float64]


def soup(around: Neighbours, child: int, excluded: frozenset[int]) -> Mixture | None:
    """The mean of two to five other members (positions) that `child` is, None if it is none."""
    row = around.distances[child]
    near = [
        int(i) for i in np.argsort(row, kind="stable") if i != child and i not in excluded and 0.0 < row[i] < RELATED
    ]
    near = near[:_NEAREST]
    if len(near) < 2:
        return None
    cohort = around.cohort
    values = cohort.points[[child, *near]] / cohort.scales[cohort.tensors]
    rounding = around.grain(child)
    allowed = _ROUNDINGS[rounding == SINGLE] * largest_error(values[0], rounding)
    told = np.flatnonzero((allowed > 0.0) & (np.ptp(values[1:], axis=0) >= _APART * allowed))
    values, allowed = values[:, told], allowed[told]
    look = np.linspace(0, max(0, len(told) - 1), min(_LOOK, len(told))).astype(np.int64)
    found: list[tuple[float, int, tuple[int, ...]]] = []
    for count in range(2, min(_MOST, len(near)) + 1):
        sets = np.array([*combinations(range(1, len(near) + 1), count)])
        _, shares = _come_out(values[:, look], allowed[look], sets)
        likely = sets[shares >= _MAYBE]
        for own, told_by, share in zip(likely, *_come_out(values, allowed, likely), strict=True):
            if told_by >= _LEAST and share >= _SURELY:
                found.append((float(share), -count, tuple(near[k - 1] for k in own)))
    if not found:
        return None
    *_, parents = max(found)
    return Mixture(parents, (1.0 / len(parents),) * len(parents), {}, 0.0, "linear")


def _come_out(values: Floats, allowed: Floats, sets: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """How many values tell, and which share of them comes out as the mean of rows, for each of the sets of rows.

    `values` has the child in its first row, `allowed` is how far off a value may lie.
    """
    terms = values[sets]  # (sets, count, values)
    tells = np.ptp(terms, axis=1) >= _APART * allowed
    comes_out = np.abs(terms.mean(axis=1) - values[0]) <= allowed
    counts = tells.sum(axis=1)
    return counts, (tells & comes_out).sum(axis=1) / np.maximum(1, counts)
