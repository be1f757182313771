"""Means of models that come out value by value, however little they moved apart: soups, averaged checkpoints.

Where models moved little, what their storage rounded off is most of what a least-squares sum leaves, and the base of a
star looks like the mean of its children. But each value of a mean is the mean of their values to half a unit in the
last place, also where these lie many units apart; the value of a base is not (model soups: Wortsman et al. 2022).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.mixture import RELATED, Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import SINGLE

_NEAREST = 10  # members of which any may have been averaged
_MOST = 5  # averaged at once
_LEFT = 0.4  # of the largest error, squared, that a mean of all values may leave: evenly spread errors leave a third
_NOTHING = 1e-9  # share of the squared movement that sums in double precision do not tell from none
_ROUNDINGS = {True: 4.0, False: 1.1}  # largest errors that a value may lie off, in single precision or a narrow type
_APART = 8.0  # times as far apart the terms of a value must lie that tells: a base lies on their mean by chance
_LEAST = 100  # such values, without which nothing is told
_SURELY = 0.97  # share of them that must come out: of a star's base half do

Floats = NDArray[np.float64]


def soup(around: Neighbours, child: int, excluded: frozenset[int]) -> Mixture | None:
    """The mean of two to five other members (positions) that `child` is, None if it is none."""
    row = around.distances[child]
    order = (int(i) for i in np.argsort(row, kind="stable") if 0.0 < row[i] < RELATED)
    near = [*islice((i for i in order if i != child and i not in excluded), _NEAREST)]
    if len(near) < 2:
        return None
    cohort, rounding = around.cohort, around.grain(child)
    gram, shares = around.all_offsets(child, near), _means(len(near))
    square = float((cohort.points[child] ** 2).sum())
    left = ((shares @ gram) * shares).sum(axis=1)
    likely = np.flatnonzero(left <= _LEFT * rounding**2 * square + _NOTHING * np.diag(gram).max())
    if not len(likely):
        return None
    values = cohort.points[[child, *near]] / cohort.scales[cohort.tensors]
    allowed = _ROUNDINGS[rounding == SINGLE] * largest_error(values[0], rounding)
    found: list[tuple[float, int, float, tuple[int, ...]]] = []
    for weights, unexplained in zip(shares[likely], left[likely].tolist(), strict=True):
        chosen = np.flatnonzero(weights)
        share = _come_out(values[0], values[1 + chosen], allowed)
        if share >= _SURELY:
            found.append((share, -len(chosen), -unexplained, tuple(near[k] for k in chosen)))
    if not found:
        return None
    *_, parents = max(found)
    return Mixture(parents, (1.0 / len(parents),) * len(parents), {}, 0.0, "linear")


@cache
def _means(count: int) -> Floats:
    """The weights of all means of two to five of so many, (means, count)."""
    chosen = [some for size in range(2, min(_MOST, count) + 1) for some in combinations(range(count), size)]
    return np.array([[float(k in some) / len(some) for k in range(count)] for some in chosen])


def _come_out(values: Floats, terms: Floats, allowed: Floats) -> float:
    """Share of the values that tell which are the mean of the terms, (terms, values); 0 where too few tell."""
    tells = (allowed > 0.0) & (np.ptp(terms, axis=0) >= _APART * allowed)
    comes_out = np.abs(terms.mean(axis=0) - values) <= allowed
    return float(comes_out[tells].mean()) if tells.sum() >= _LEAST else 0.0
