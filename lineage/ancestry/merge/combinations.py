"""What parents' differences give in every set of one or more, and which set gave each value of a merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.differences import Differences, Mask
from lineage.ancestry.merge.ratios import Values


@dataclass(frozen=True, slots=True)
class Combinations:
    """What some chosen candidates could have given, value by value, taken in every set of one or more.

    `chosen` are rows of the candidates, `shares` their constants; `sets` (count, chosen) bool; a set's prediction is
    `tops / bottoms`: of a sum the bottoms are 1, of a mean with gain g they are the weights of the set.
    """

    chosen: tuple[int, ...]
    shares: tuple[float, ...]
    gain: float | None
    sets: Mask
    tops: Values
    bottoms: Values

    def predictions(self) -> Values:
        """(sets, dims) float64."""
        return np.asarray(self.tops / self.bottoms[:, None])


def combinations(theirs: Values, chosen: Sequence[int], shares: Sequence[float], gain: float | None) -> Combinations:
    """Every set of the `chosen` rows of `theirs`, smaller ones first: their sums, or their means times `gain`."""
    count = len(chosen)
    sets = np.array([[bool(k >> i & 1) for i in range(count)] for k in range(1, 1 << count)])
    sets = sets[np.argsort(sets.sum(axis=1), kind="stable")]
    scale = 1.0 if gain is None else gain
    tops = (sets * np.array(shares)) @ theirs[list(chosen)] * scale
    bottoms = np.ones(len(sets)) if gain is None else sets @ np.array(shares)
    return Combinations(tuple(chosen), tuple(shares), gain, sets, tops, bottoms)


def reproduced(found: Differences, current: Combinations, times: float = 1.0) -> Mask:
    """Which values some set reproduces to within so many times the rounding error."""
    return np.asarray((np.abs(found.moved - current.predictions()) <= times * found.error).any(axis=0))


def explained(found: Differences, current: Combinations) -> Mask:
    """Of the moved values, which some set reproduces."""
    return reproduced(found, current)[~found.still]


def decoded(found: Differences, current: Combinations) -> NDArray[np.int64]:
    """The row in `sets` of the set that reproduces each value best; -1 where it is the base's, -2 where none does."""
    off = np.abs(found.moved - current.predictions())
    return np.where(found.still, -1, np.where((off <= found.error).any(axis=0), off.argmin(axis=0), -2))


def members(current: Combinations, rows: NDArray[np.int64]) -> Mask:
    """Which chosen candidates make up each value, (chosen, dims)."""
    nobody = np.zeros((2, len(current.chosen)), bool)
    return np.asarray(np.concatenate([current.sets, nobody])[rows].T)
