"""Inner products among the members of a cohort, and the members that a merge may have been made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.mixture import COPY, RELATED
from lineage.ancestry.merge.ratios import grain

NEAREST = 200  # candidates for the parents of one model
_LEAST_TENSORS = 2  # of which one is fitted and one held out
_ROUNDED = 0.4  # mean square of rounding errors of a child and its parents, in squares of the largest
_MOST_ROUNDED = 0.1  # share of the movement: the base of a star of eight, a mean of its children, leaves an eighth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Inner products (members, members) of a cohort's points over two halves of its tensors.

    Weights are fitted on one half and tried on the other. `distances` are squared, over both.
    """

    cohort: Cohort
    fitted: Floats
    held_out: Floats
    distances: Floats

    def near(self, child: int, excluded: Collection[int] = ()) -> list[int]:
        """Members that `child` may be made from, the nearest first: related, and no copies."""
        row = self.distances[child]
        found = np.flatnonzero((row > COPY) & (row < RELATED))
        ordered = (int(i) for i in found[np.argsort(row[found], kind="stable")])
        return list(islice((i for i in ordered if i != child and i not in excluded), NEAREST))

    def likeness(self, base: int, others: Sequence[int]) -> float:
        """The largest cosine between differences of the others to a base: what was trained apart stands apart."""
        gram = self.all_offsets(base, others)
        lengths = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        return float((np.abs(gram) / np.outer(lengths, lengths) - np.eye(len(others))).max())

    def grain(self, member: int) -> float:
        """Largest relative rounding error of a member's type, as its first tensor tells."""
        return grain(self.cohort.points[member, self.cohort.tensors == self.cohort.tensors[0]])

    def rounding(self, child: int, types: Sequence[float], movement: float) -> float:
        """Squared length that rounding by one of these relative errors leaves of a sum, if little of `movement`."""
        square = float(self.fitted[child, child] + self.held_out[child, child])
        left = [_ROUNDED * one**2 * square for one in types]
        return max((one for one in left if one < _MOST_ROUNDED * movement), default=0.0)

    def offsets(self, origin: int, others: Sequence[int], *, held_out: bool = False) -> Floats:
        """Inner products (others, others) of the differences of `others` to `origin`, over one half of the tensors."""
        return _offsets(self.held_out if held_out else self.fitted, origin, others)

    def all_offsets(self, origin: int, others: Sequence[int]) -> Floats:
        """The same over all tensors."""
        return self.offsets(origin, others) + self.offsets(origin, others, held_out=True)


def neighbours(cohort: Cohort) -> Neighbours:
    """Every other tensor is fitted, the rest held out; of a single tensor, every other value."""
    half = cohort.tensors % 2 == 0
    if len(np.unique(cohort.tensors)) < _LEAST_TENSORS:
        half = np.arange(len(half)) % 2 == 0
    products = [cohort.points[:, part] @ cohort.points[:, part].T for part in (half, ~half)]
    whole = products[0] + products[1]
    squares = np.diag(whole)
    distances = np.maximum(squares[:, None] + squares - 2.0 * whole, 0.0)
    return Neighbours(cohort, products[0], products[1], distances)


def _offsets(products: Floats, origin: int, others: Sequence[int]) -> Floats:
    chosen = list(others)
    across = products[origin, chosen]
    return np.asarray(products[np.ix_(chosen, chosen)] - across[:, None] - across + products[origin, origin])
