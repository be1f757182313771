"""Predictions from every non-empty set of parents' differences, and which set gave each value of a merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.differences import Differences, Mask
from lineage.ancestry.merge.ratios import Values


@dataclass(frozen=True, slots=True)
class Combinations:
    """The values that every non-empty set of the chosen candidates predicts.

    `chosen` are rows of the candidates, `shares` their constants, `gain` that of a mean, None for a sum. `sets` (sets,
    chosen) bool says who is in each set. A set's prediction is `tops` (sets, dims) / `bottoms` (sets,): for a sum the
    bottoms are 1, for a mean they are the summed constants of the set, and the tops contain the gain.
    """

    chosen: tuple[int, ...]
    shares: tuple[float, ...]
    gain: float | None
    sets: Mask
    tops: Values
    bottoms: Values

    def predictions(self) -> Values:
        """The predicted differences of each set, (sets, dims) float64."""
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
    """Which values some set reproduces within `times` the rounding error, (dims,)."""
    return np.asarray((np.abs(found.moved - current.predictions()) <= times * found.error).any(axis=0))


def explained(found: Differences, current: Combinations) -> Mask:
    """Which of the moved values some set reproduces, (moved,)."""
    return reproduced(found, current)[~found.still]


def decoded(found: Differences, current: Combinations) -> NDArray[np.int64]:
    """The row in `sets` that reproduces each value best, (dims,); -1 for the base's own values, -2 for no set."""
    off = np.abs(found.moved - current.predictions())
    return np.where(found.still, -1, np.where((off <= found.error).any(axis=0), off.argmin(axis=0), -2))


def members(current: Combinations, rows: NDArray[np.int64]) -> Mask:
    """Which chosen candidates contribute to each value, (chosen, dims)."""
    nobody = np.zeros((2, len(current.chosen)), bool)
    return np.asarray(np.concatenate([current.sets, nobody])[rows].T)
