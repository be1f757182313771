"""The second exact statistic, for networks with few units: how many sampled values are the same number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.units import same_positions
from lineage.sketch.stacks import in_stacks
from lineage.types import TensorSketch

TOLERANCE = 1e-4  # of the tensor's standard deviation: light training moves values more, copying does not
MIN_VALUES = 16  # live values of a tensor: of fewer a share of equal ones tells nothing
MIN_DISTINCT = 0.5  # clipped, integer-like and quantised tensors agree by chance
_TOGETHER = 64  # pairs compared at once: their values stay in the processor's cache
_NEARLY = 1.001  # times what values may differ by: what lies further apart needs no exact look
_BEHIND_SIGN = np.int32(0x7FFFFFFF)  # bits of float32

Values = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many sampled values of two tensors are equal, of how many, and how many chance would give."""

    agreeing: int
    compared: int
    expected: float


def common_values(a: TensorSketch, b: TensorSketch, transposed: bool) -> tuple[Values, Values]:
    """Sampled values of both tensors at the positions that both kept, two float32 matrices of one shape."""
    b_values, b_grid = (b.values.T, b.grid[::-1]) if transposed else (b.values, b.grid)
    if same_positions(a.grid[0], b_grid[0]) and same_positions(a.grid[1], b_grid[1]):
        return a.values, b_values
    (rows_a, rows_b), (cols_a, cols_b) = (
        np.intersect1d(x, y, assume_unique=True, return_indices=True)[1:] for x, y in zip(a.grid, b_grid, strict=True)
    )
    return a.values[np.ix_(rows_a, cols_a)], b_values[np.ix_(rows_b, cols_b)]


def agreements(pairs: Sequence[tuple[Values, Values]], distinct: Sequence[float]) -> list[Agreement | None]:
    """Count agreements within 1e-4 of a standard deviation, and what unrelated positions of the same values give.

    `pairs` are the values of two tensors at the same positions, (rows, columns) each. The chance rate is the null of
    relabelling positions, taken from the two samples: pairs of values at different places of one row, of one column,
    or anywhere, whichever agree most often (the rows of unused tokens are small in every model, so only values of the
    same row are exchangeable with each other), and one more than was seen: a rate estimated as zero would claim
    certainty. Zeros are left out. `distinct` is the smaller share of distinct values of the two tensors; None below
    half, with fewer than 16 values, or without variance.
    """
    found: list[Agreement | None] = [None] * len(pairs)
    told = [i for i in range(len(pairs)) if distinct[i] >= MIN_DISTINCT]
    for places, a in in_stacks([pairs[i][0] for i in told], _TOGETHER):
        some = [told[place] for place in places]
        b = np.stack([pairs[i][1] for i in some])
        live = (a != 0) & (b != 0)
        size = live.sum(axis=(1, 2))
        eps = TOLERANCE * np.minimum(_spread(a, live, size), _spread(b, live, size))
        kept = np.flatnonzero((size >= MIN_VALUES) & (eps > 0))
        for place, counted in zip(kept.tolist(), _counted(a[kept], b[kept], live[kept], eps[kept]), strict=True):
            found[some[place]] = counted
    return found


def _spread(values: Values, live: NDArray[np.bool_], size: NDArray[np.int64]) -> Floats:
    """Standard deviation of the live values of each tensor, of which there are `size` (p,)."""
    count, is_live = np.maximum(size, 1), live.reshape(len(live), -1)
    off = values.reshape(is_live.shape).astype(np.float64)
    off *= is_live
    off -= (off.sum(axis=1) / count)[:, None]
    off *= is_live
    return np.asarray(np.sqrt(np.vecdot(off, off) / count))


def _counted(a: Values, b: Values, live: NDArray[np.bool_], eps: Floats) -> list[Agreement]:
    """Agreements of p pairs of tensors of one shape, all (p, rows, columns); `eps` (p,) is what they may differ by."""
    columns, count = a.shape[2], a.shape[1] * a.shape[2]
    left, right = _near(_flat(a, live), _flat(b, live), eps)
    apart = left != right
    agreeing = np.bincount(left[~apart] // count, minlength=len(a))
    left, right = left[apart], right[apart]
    size, by_row, by_column = live.sum(axis=(1, 2)), live.sum(axis=2), live.sum(axis=1)
    rates = [
        _rate(left // count, size * (size - 1)),
        _rate(left[left // columns == right // columns] // count, (by_row * (by_row - 1)).sum(axis=1)),
        _rate(left[left % columns == right % columns] // count, (by_column * (by_column - 1)).sum(axis=1)),
    ]
    expected = np.max(rates, axis=0) * size
    return [Agreement(*one) for one in zip(agreeing.tolist(), size.tolist(), expected.tolist(), strict=True)]


def _flat(values: Values, live: NDArray[np.bool_]) -> Values:
    """Values of each tensor in a row, (p, n), infinite where they are left out."""
    return np.where(live, values, np.float32(np.inf)).reshape(len(values), values.shape[1] * values.shape[2])


def _rate(seen: NDArray[np.int64], tried: NDArray[np.int64]) -> Floats:
    """Share of the pairs of places tried that agree, one more than was seen, for each pair of tensors; 0 of none."""
    counts = np.bincount(seen, minlength=len(tried)) + 1
    return np.divide(counts, tried, out=np.zeros(len(tried)), where=tried > 0)


def _near(x: Values, y: Values, eps: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in `x` and in `y`, flattened, of all pairs of values of one row, wherever in it, at most `eps` apart.

    Values that are left out are infinite. All of a row are sorted together: what is near lies next to one another.
    """
    count = x.shape[1]
    order, ordered = _sorted(np.concatenate([x, y], axis=1))
    # Few are near to the next, so that further ones are looked at from these alone.
    with np.errstate(invalid="ignore"):  # between two that are left out
        is_near = ordered[:, 1:] - ordered[:, :-1] <= (_NEARLY * eps)[:, None].astype(np.float32)
    row, left = np.nonzero(is_near)
    left += 2 * count * row
    within, end = eps[row], (row + 1) * 2 * count
    is_other = order >= count
    place = (order - count * is_other + count * np.arange(len(x))[:, None]).reshape(-1)
    is_other, values, step = is_other.reshape(-1), ordered.reshape(-1).astype(np.float64), 1
    lower, upper = [left[:0]], [left[:0]]
    while left.size:
        low, high = values[left], values[left + step]
        above, below = high <= low + within, low >= high - within
        one, other = is_other[left], is_other[left + step]
        near = np.where(one, below & ~other, above & other)
        lower.append(left[near])
        upper.append(left[near] + step)
        step += 1
        go_on = (above | below) & (left + step < end)
        left, within, end = left[go_on], within[go_on], end[go_on]
    low_ends, high_ends = np.concatenate(lower), np.concatenate(upper)
    turned = is_other[low_ends]
    mine, theirs = np.where(turned, high_ends, low_ends), np.where(turned, low_ends, high_ends)
    return place[mine], place[theirs]


def _sorted(values: Values) -> tuple[NDArray[np.int64], Values]:
    """Places and values of each row (p, n), in order.

    Value and place go into one whole number: those are sorted in a third of the time that places by value take.
    """
    bits = values.view(np.int32)
    whole = (bits ^ (bits >> 31 & _BEHIND_SIGN)).astype(np.int64)  # of negative floats the larger number is the less
    whole <<= 32
    whole += np.arange(values.shape[1])
    whole.sort(axis=1)
    bits = (whole >> 32).astype(np.int32)
    return whole & 0xFFFFFFFF, (bits ^ (bits >> 31 & _BEHIND_SIGN)).view(np.float32)
