"""Means of models that are reproduced value by value, even if the models are near: soups, averaged checkpoints.

If models moved little, rounding dominates the residual of a least-squares sum, and a base looks like the mean of its
children. But each value of a mean equals the mean of the children's values to half a unit in the last place, even if
these values lie many units apart; a value of the base does not (model soups: Wortsman et al. 2022).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from lineage.ancestry.merge.last_rounded import largest_error
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import SINGLE
from lineage.types import Float64Array

_NEAREST = 10  # nearest members, any of which may have been averaged
_MOST = 5  # greatest number of averaged models
_LEFT = 0.4  # greatest mean squared residual, in squared largest errors: uniform errors leave a third
_NOTHING = 1e-9  # share of the squared movement that counts as 0 in double precision
_ROUNDINGS = {True: 4.0, False: 1.1}  # tolerance of a value in largest errors, in single precision or a narrow type
_APART = 8.0  # least spread of the terms, in tolerances: with less spread a base equals their mean by chance
_LEAST = 100  # least number of values with such a spread
_SURELY = 0.97  # least share of them that is reproduced: half are for the base of the terms


def soup(around: Neighbours, child: int, excluded: frozenset[int]) -> Mixture | None:
    """`child` as the mean of two to five other members (positions); None if it is not such a mean."""
    near = around.near(child, excluded, beyond=0.0)[:_NEAREST]
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
def _means(count: int) -> Float64Array:
    """The weights of all means of two to five out of `count` models, (means, count)."""
    chosen = [some for size in range(2, min(_MOST, count) + 1) for some in combinations(range(count), size)]
    return np.array([[float(k in some) / len(some) for k in range(count)] for some in chosen])


def _come_out(values: Float64Array, terms: Float64Array, allowed: Float64Array) -> float:
    """Share of the values (values,) that equal the mean of the terms (terms, values) within `allowed` (values,).

    Only values whose terms lie clearly apart are counted; 0 if these are too few.
    """
    tells = (allowed > 0.0) & (np.ptp(terms, axis=0) >= _APART * allowed)
    comes_out = np.abs(terms.mean(axis=0) - values) <= allowed
    return float(comes_out[tells].mean()) if tells.sum() >= _LEAST else 0.0
