"""How the differences of a merge were thinned out: which share was kept, and whether the smallest went or any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.combinations import Combinations, members
from lineage.ancestry.merge.differences import Differences
from lineage.ancestry.merge.ratios import Values

_SEEN = 3.0  # times the rounding error, what a difference must be to tell whether it was kept
_ORDERED = 0.75  # how well size tells kept differences from dropped ones where the smallest were dropped
_OPPOSED = 0.05  # share of sums over terms of both signs, from which on no sign was elected


def dropping(found: Differences, current: Combinations, rows: NDArray[np.int64]) -> tuple[float, str]:
    """The share of differences that was kept, and the method.

    It is counted where the parents' differences agree in sign: there no election hides what was kept. Dropped
    differences that are smaller than the kept ones were trimmed, others dropped at random.
    """
    theirs = found.theirs[list(current.chosen)]
    signs = np.sign(theirs)
    scale = 1.0 if current.gain is None else current.gain / sum(current.shares)
    seen = (np.abs(theirs * scale * np.array(current.shares)[:, None]) > _SEEN * found.error).all(axis=0)
    agree = (np.abs(signs.sum(axis=0)) == len(signs)) & (rows != -2) & seen
    kept = members(current, rows)
    density = float(kept[:, agree].mean()) if agree.any() else 1.0
    several = kept.sum(axis=0) > 1
    opposed = several & (np.abs(np.where(kept, signs, 0.0).sum(axis=0)) < kept.sum(axis=0))
    ranks = _ranks(np.abs(theirs), found.tensors)[:, agree]
    order = _order(ranks[kept[:, agree]], ranks[~kept[:, agree]])
    if order > _ORDERED:
        threshold = float(np.quantile(ranks[kept[:, agree]], 0.05) + np.quantile(ranks[~kept[:, agree]], 0.95)) / 2
        return 1.0 - threshold, "TIES"
    return density, "DARE" if opposed.sum() > _OPPOSED * several.sum() else "DARE-TIES"


def _ranks(sizes: Values, tensors: NDArray[np.int64]) -> Values:
    """Rank of each size within its tensor, 0 to 1."""
    ranks = np.empty_like(sizes)
    for number in np.unique(tensors):
        inside = np.flatnonzero(tensors == number)
        ranks[:, inside] = sizes[:, inside].argsort(axis=1).argsort(axis=1) / max(len(inside) - 1, 1)
    return ranks


def _order(kept: Values, dropped: Values) -> float:
    """How often a kept value is larger than a dropped one (Mann and Whitney 1947)."""
    if len(kept) == 0 or len(dropped) == 0:
        return 0.5
    below = np.searchsorted(np.sort(dropped), kept)
    return float(below.mean() / len(dropped))
