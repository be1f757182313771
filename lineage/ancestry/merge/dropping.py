"""How the differences of a merge were dropped: the share kept, and whether the smallest or random ones went."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.combinations import Combinations, members
from lineage.ancestry.merge.differences import Differences
from lineage.ancestry.merge.ratios import Values

_SEEN = 3.0  # times the rounding error: smaller differences do not show whether they were kept
_ORDERED = 0.75  # how often a kept difference exceeds a dropped one, from which on the smallest were dropped
_OPPOSED = 0.05  # share of sums with terms of both signs, from which on no sign was elected


def dropping(found: Differences, current: Combinations, rows: NDArray[np.int64]) -> tuple[float, str]:
    """The share of differences that was kept (0..1), and the method: TIES, DARE or DARE-TIES.

    The share is counted where all parents' differences agree in sign, since there a sign election removes nothing. If
    the dropped differences are smaller than the kept ones, they were trimmed (TIES); otherwise they were dropped at
    random.
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
    """Rank of each size within its tensor, 0..1, of the shape of `sizes` (parents, dims)."""
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
