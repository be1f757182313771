"""The common order of two vocabularies, and the places of other tokens relative to it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.tokenizers.shared import Shared
from lineage.types import TokenizerSketch

EDGE = 0.02
"""A token stands before or behind the common order where no more than this share of the order is on its other side."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One vocabulary as the common order sees it: places in its sample, by id, of tokens outside that order.

    They stand before all of it, within it, or behind it.
    """

    before: NDArray[np.int64]
    behind: NDArray[np.int64]
    within: NDArray[np.int64]

    @property
    def own(self) -> int:
        """The number of sampled tokens outside the common order."""
        return len(self.before) + len(self.within) + len(self.behind)


def longest_common_order(values: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Places of a longest ascending subsequence of distinct values, int64, by patience sorting (Fredman 1975)."""
    tails: list[int] = []
    tops: list[int] = []
    before = np.full(len(values), -1, np.int64)
    for place, value in enumerate(values.tolist()):
        pile = bisect_left(tails, value)
        before[place] = tops[pile - 1] if pile else -1
        tails[pile : pile + 1], tops[pile : pile + 1] = [value], [place]
    chain = [tops[-1]] if tops else []
    while chain and before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1], np.int64)


def sides(a: TokenizerSketch, b: TokenizerSketch, shared: Shared, core: NDArray[np.int64]) -> tuple[Side, Side]:
    """Where the tokens outside the common order stand in each; `core` are places in the shared sample."""
    out = np.ones(len(shared.a), np.bool_)
    out[core] = False
    return (
        _side(a, shared.a[core], np.concatenate([shared.only_a, shared.a[out]])),
        _side(b, shared.b[core], np.concatenate([shared.only_b, shared.b[out]])),
    )


def _side(sketch: TokenizerSketch, core: NDArray[np.int64], own: NDArray[np.int64]) -> Side:
    own = own[np.argsort(sketch.ids[own], kind="stable")]
    if len(core) == 0:
        return Side(own[:0], own[:0], own)
    ids = np.sort(sketch.ids[core])
    earlier = np.searchsorted(ids, sketch.ids[own])
    before, behind = earlier <= EDGE * len(ids), len(ids) - earlier <= EDGE * len(ids)
    return Side(own[before], own[behind], own[~before & ~behind])
