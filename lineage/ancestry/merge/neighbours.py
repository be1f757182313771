"""Inner products among the members of a cohort, and candidates for the parents of a merge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.mixture import COPY, RELATED
from lineage.ancestry.merge.ratios import grain_of_first
from lineage.types import Float64Array

NEAREST = 200  # candidates for the parents of one model
_LEAST_TENSORS = 2  # one to fit and one to hold out
_ROUNDED = 0.4  # mean square of the rounding errors of a child and its parents, in squared largest errors
_MOST_ROUNDED = 0.1  # greatest share of the movement: the base of eight children leaves an eighth as their mean


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Inner products (members, members) float64 of a cohort's points over two halves of its tensors.

    Weights are fitted on one half and tested on the other. `distances` (members, members) are squared, over both.
    """

    cohort: Cohort
    fitted: Float64Array
    held_out: Float64Array
    distances: Float64Array

    def near(self, child: int, excluded: Collection[int] = (), beyond: float = COPY) -> list[int]:
        """Members from which `child` may be merged, nearest first: related, at squared distances over `beyond`."""
        row = self.distances[child]
        found = np.flatnonzero((row > beyond) & (row < RELATED))
        ordered = (int(i) for i in found[np.argsort(row[found], kind="stable")])
        return list(islice((i for i in ordered if i != child and i not in excluded), NEAREST))

    def likeness(self, base: int, others: Sequence[int]) -> float:
        """The largest absolute cosine between differences of `others` from a base: small if trained independently."""
        gram = self.all_offsets(base, others)
        lengths = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        return float((np.abs(gram) / np.outer(lengths, lengths) - np.eye(len(others))).max())

    def grain(self, member: int) -> float:
        """Largest relative rounding error of a member's type, inferred from its first tensor."""
        return grain_of_first(self.cohort.points[member], self.cohort.tensors)

    def rounding(self, child: int, types: Sequence[float], movement: float) -> float:
        """Greatest squared residual of a sum from rounding by one of the `types`, if it is small beside `movement`.

        `types` are relative rounding errors, `movement` a squared length; 0 if no type qualifies.
        """
        square = float(self.fitted[child, child] + self.held_out[child, child])
        left = [_ROUNDED * one**2 * square for one in types]
        return max((one for one in left if one < _MOST_ROUNDED * movement), default=0.0)

    def offsets(self, origin: int, others: Sequence[int], *, held_out: bool = False) -> Float64Array:
        """Inner products (others, others) of the differences of `others` from `origin`, over half of the tensors."""
        return _offsets(self.held_out if held_out else self.fitted, origin, others)

    def all_offsets(self, origin: int, others: Sequence[int]) -> Float64Array:
        """The same over all tensors."""
        return self.offsets(origin, others) + self.offsets(origin, others, held_out=True)


def neighbours(cohort: Cohort) -> Neighbours:
    """Inner products, every other tensor for fitting and the rest held out; in a single tensor, every other value."""
    half = cohort.tensors % 2 == 0
    if len(np.unique(cohort.tensors)) < _LEAST_TENSORS:
        half = np.arange(len(half)) % 2 == 0
    products = [cohort.points[:, part] @ cohort.points[:, part].T for part in (half, ~half)]
    whole = products[0] + products[1]
    squares = np.diag(whole)
    distances = np.maximum(squares[:, None] + squares - 2.0 * whole, 0.0)
    return Neighbours(cohort, products[0], products[1], distances)


def _offsets(products: Float64Array, origin: int, others: Sequence[int]) -> Float64Array:
    chosen = list(others)
    across = products[origin, chosen]
    return np.asarray(products[np.ix_(chosen, chosen)] - across[:, None] - across + products[origin, origin])
