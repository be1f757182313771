"""Which of several orders the rows of one stack have in another, decided by the rows sampled in both sketches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lineage.match.pairing import LOG10_ALPHA
from lineage.match.row_stacks import Places, RowStack
from lineage.sketch.projection import decode_units
from lineage.sketch.remembered import remembered

Rows = NDArray[np.float64]

_IN_PLACE = 0.5  # correlation with their counterparts of all but a tenth of the rows, where no order need be tried


class FacingRows:
    """The sampled rows of a query's and a reference's stack of equal length, after subtraction of the mean row."""

    def __init__(self, x: RowStack, y: RowStack) -> None:
        assert x.units is not None
        assert y.units is not None
        self.length = x.length
        self._index = x.units.index
        self._rows, self._others = _unit_rows(x), _unit_rows(y)
        self._at = np.full(y.length, -1)
        self._at[y.units.index] = np.arange(len(y.units.index))
        self._others_index = y.units.index

    @cached_property
    def _nearest(self) -> NDArray[np.int64]:
        """The two rows of the query that lie nearest to each of the reference's."""
        distance = np.abs(self._others_index[:, None] - self._index[None, :])
        return np.argsort(distance, axis=1, kind="stable")[:, :2]

    @cached_property
    def _alike(self) -> Rows:
        """Correlation of every row with every one of the reference's: many orders need some of them."""
        return np.asarray(self._rows @ self._others.T)

    def likeness(self, order: Places) -> Rows:
        """Correlation of every row with its counterpart under an order that gives each row's place."""
        at = self._at[order[self._index]]
        known = np.flatnonzero(at >= 0)
        return np.asarray(self._alike[known, at[known]])

    def in_place(self) -> Rows:
        """Correlation of every row with its counterpart as stored."""
        known = np.flatnonzero(self._at[self._index] >= 0)
        return np.asarray(np.vecdot(self._rows[known], self._others[self._at[self._index[known]]]))

    def gains(self, order: Places) -> Rows:
        """For the rows that the order moves: their similarity minus that of the row now at the place they move to.

        Where that row was not kept, the nearest to it stands for it.
        """
        to = order[self._index]
        mine = np.flatnonzero((self._at[to] >= 0) & (to != self._index))
        theirs = self._at[to[mine]]
        first, second = self._nearest[theirs].T
        foil = np.where(first == mine, second, first)
        return np.asarray(((self._rows[mine] - self._rows[foil]) * self._others[theirs]).sum(axis=1))


def best_order(pairs: Sequence[FacingRows], orders: Sequence[Places], models: int) -> Places | None:
    """The order with the greatest similarity of rows to their counterparts, among those proven to increase it.

    None where the rows are in place, or none is proven. If an order is wrong, whether a row is nearer to the one that
    it leads to or to the one that lies there is a coin toss: the sum of the gains over the root of the sum of their
    squares exceeds t with a probability of exp(-t^2 / 2) at most (Hoeffding 1963). That must pass at 1e-6 after
    correction for every order tried and for `models` searched. What a wrong order puts right by chance the right one
    does, too, so that its correlations have the largest sum.
    """
    if float(np.quantile(np.concatenate([one.in_place() for one in pairs]), 0.1)) > _IN_PLACE:
        return None
    as_they_lie = np.arange(pairs[0].length)
    needed = math.sqrt(2.0 * math.log(10.0) * (math.log10(max(1, len(orders)) * models) - LOG10_ALPHA))
    best, nearest = None, sum(float(one.likeness(as_they_lie).sum()) for one in pairs)
    for order in orders:
        near = sum(float(one.likeness(order).sum()) for one in pairs)
        if near > nearest:
            gain = np.concatenate([one.gains(order) for one in pairs])
            if float(gain.sum()) > needed * float(np.sqrt(np.square(gain).sum())):
                best, nearest = order, near
    return best


@remembered
def _unit_rows(stack: RowStack) -> Rows:
    """Centred unit vectors of norm 1, zero where a row is the mean."""
    assert stack.units is not None
    rows = decode_units(stack.units).astype(np.float64)
    rows -= rows.mean(axis=0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))
