"""The second exact statistic, for networks with few units: the number of equal sampled values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Latest
from lineage.match.units import same_positions
from lineage.sketch.stacks import by_kind, in_stacks, laid
from lineage.types import Float64Array, TensorSketch

TOLERANCE = 1e-4  # of the tensor's standard deviation: light training moves values more, copying does not
MIN_VALUES = 16  # least number of non-zero values of a tensor
MIN_DISTINCT = 0.5  # least share of distinct values: clipped, integer-like and quantized tensors agree by chance
_TOGETHER = 32  # pairs compared at once: their values fit in the processor's cache
_NEARLY = 1.001  # multiple of the tolerance beyond which no exact comparison is needed
_BEHIND_SIGN = np.int32(0x7FFFFFFF)  # bits of float32

Values = NDArray[np.float32]
Grid = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The number of equal sampled values of two tensors, of all compared, and the number expected by chance."""

    agreeing: int
    compared: int
    expected: float


def common_values(a: TensorSketch, b: TensorSketch, transposed: bool) -> tuple[Values, Values]:
    """Values of both tensors at the positions sampled in both, two float32 matrices of one shape."""
    if a.grid is b.grid and not transposed:  # that of one shape is one (see `grids`)
        return a.values, b.values
    b_values, b_grid = (b.values.T, b.grid[::-1]) if transposed else (b.values, b.grid)
    if _same_grid(a.grid, b_grid):
        return a.values, b_values
    (rows_a, rows_b), (cols_a, cols_b) = (
        np.intersect1d(x, y, assume_unique=True, return_indices=True)[1:] for x, y in zip(a.grid, b_grid, strict=True)
    )
    return a.values[np.ix_(rows_a, cols_a)], b_values[np.ix_(rows_b, cols_b)]


Sides = tuple[TensorSketch, TensorSketch, bool]
"""Query tensor, reference tensor, and whether one is stored transposed."""

_counts: Latest[Sides, Agreement | None] = Latest(1 << 14)


def equal_values(sides: Sequence[Sides]) -> list[Agreement | None]:
    """The agreements of pairs of tensors, the second as stored or transposed; see `agreements`.

    Cached: a model that is asked about is compared with its relatives once more in the tree of their family.
    """
    return _counts.of(sides, _equal_values)


def _equal_values(sides: Sequence[Sides]) -> list[Agreement | None]:
    found: list[Agreement | None] = [None] * len(sides)
    told = [i for i, (a, b, _) in enumerate(sides) if min(a.stats.distinct, b.stats.distinct) >= MIN_DISTINCT]
    plain = [i for i in told if not sides[i][2] and _same_grid(sides[i][0].grid, sides[i][1].grid)]
    ordered = _in_order(dict.fromkeys(one for i in plain for one in sides[i][:2]))
    both = {
        i: (x, y) for i in plain if (x := ordered[sides[i][0]]) is not None and (y := ordered[sides[i][1]]) is not None
    }
    whole = [*both]
    for some in by_kind([sides[i][0].values.shape for i in whole], _TOGETHER):
        places = [whole[k] for k in some]
        for i, one in zip(places, _of_all([both[i] for i in places], sides[places[0]][0].values.shape), strict=True):
            found[i] = one
    left = [i for i in told if i not in both]
    values = [common_values(*sides[i]) for i in left]
    for i, one in zip(left, agreements(values, [1.0] * len(left)), strict=True):
        found[i] = one
    return found


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
        b = laid([pairs[i][1] for i in some])
        live = (a != 0) & (b != 0)
        size = live.sum(axis=(1, 2))
        eps = TOLERANCE * np.minimum(_spread(a, live, size), _spread(b, live, size))
        kept = np.flatnonzero((size >= MIN_VALUES) & (eps > 0))
        ordered = _sorted(np.concatenate([_flat(one[kept], live[kept]) for one in (a, b)], axis=1))
        tried = _Tried(size[kept], *(_pairs(live.sum(axis=axis)[kept]) for axis in (2, 1)))
        for place, counted in zip(kept.tolist(), _counted(ordered, a.shape[2], eps[kept], tried), strict=True):
            found[some[place]] = counted
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _InOrder:
    """The values of a tensor that has no zeros, in order, each as `_sorted` has it; and their standard deviation."""

    values: NDArray[np.int64]
    spread: float


_KEPT = 4096  # tensors of some five KB each: those of a dozen models
_ordered: Latest[TensorSketch, _InOrder | None] = Latest(_KEPT)


def _in_order(tensors: Iterable[TensorSketch]) -> dict[TensorSketch, _InOrder | None]:
    """The values of some tensors in order, None of those with zeros."""
    found = {one: _ordered[one] for one in tensors if one in _ordered}
    new = [one for one in tensors if one not in found]
    for places, values in in_stacks([one.values for one in new], _TOGETHER):
        live = values != 0
        size = live.sum(axis=(1, 2))
        sides = zip(_sorted(values.reshape(len(values), -1)), _spread(values, live, size).tolist(), strict=True)
        for i, one, is_whole in zip(places, sides, live.all(axis=(1, 2)).tolist(), strict=True):
            found[new[i]] = _InOrder(*one) if is_whole else None
    _ordered.keep(found.items())
    return found


def _of_all(sides: Sequence[tuple[_InOrder, _InOrder]], shape: tuple[int, ...]) -> Iterator[Agreement | None]:
    """The agreements of tensors of one shape whose values all count: those in order are merged."""
    rows, columns = shape
    count = rows * columns
    eps = TOLERANCE * np.array([min(x.spread, y.spread) for x, y in sides])
    merged = laid([one.values for both in sides for one in both]).reshape(len(sides), 2 * count)
    merged[:, count:] += count
    merged.sort(axis=1, kind="stable")  # two runs in order take a quarter of the time
    by_row, by_column = np.full((len(sides), rows), columns), np.full((len(sides), columns), rows)
    tried = _Tried(np.full(len(sides), count), _pairs(by_row), _pairs(by_column))
    told = (eps > 0) & (count >= MIN_VALUES)
    for one, is_told in zip(_counted(merged, columns, eps, tried), told.tolist(), strict=True):
        yield one if is_told else None


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """How many values of each pair of tensors were compared, and pairs of different places in one row, one column."""

    size: NDArray[np.int64]
    in_row: NDArray[np.int64]
    in_column: NDArray[np.int64]


def _pairs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((counts * (counts - 1)).sum(axis=1))


def _same_grid(a: Grid, b: Grid) -> bool:
    return a is b or (same_positions(a[0], b[0]) and same_positions(a[1], b[1]))


def _spread(values: Values, live: NDArray[np.bool_], size: NDArray[np.int64]) -> Float64Array:
    """Standard deviation of the live values of each tensor, of which there are `size` (p,)."""
    count, is_live = np.maximum(size, 1), live.reshape(len(live), -1)
    off = values.reshape(is_live.shape).astype(np.float64)
    off *= is_live
    off -= (off.sum(axis=1) / count)[:, None]
    off *= is_live
    return np.asarray(np.sqrt(np.vecdot(off, off) / count))


def _counted(ordered: NDArray[np.int64], columns: int, eps: Float64Array, tried: _Tried) -> list[Agreement]:
    """Agreements of p pairs of tensors of so many columns, whose values lie in order, (p, 2 * rows * columns).

    `eps` (p,) is what values may differ by.
    """
    count = ordered.shape[1] // 2
    left, right = _near(ordered, eps)
    apart = left != right
    agreeing = np.bincount(left[~apart] // count, minlength=len(ordered))
    left, right = left[apart], right[apart]
    size = tried.size
    rates = [
        _rate(left // count, size * (size - 1)),
        _rate(left[left // columns == right // columns] // count, tried.in_row),
        _rate(left[left % columns == right % columns] // count, tried.in_column),
    ]
    expected = np.max(rates, axis=0) * size
    return [Agreement(*one) for one in zip(agreeing.tolist(), size.tolist(), expected.tolist(), strict=True)]


def _flat(values: Values, live: NDArray[np.bool_]) -> Values:
    """Values of each tensor in a row, (p, n), infinite where they are left out."""
    return np.where(live, values, np.float32(np.inf)).reshape(len(values), values.shape[1] * values.shape[2])


def _rate(seen: NDArray[np.int64], tried: NDArray[np.int64]) -> Float64Array:
    """Share of the pairs of places tried that agree, one more than was seen, for each pair of tensors; 0 of none."""
    counts = np.bincount(seen, minlength=len(tried)) + 1
    return np.divide(counts, tried, out=np.zeros(len(tried)), where=tried > 0)


def _near(ordered: NDArray[np.int64], eps: Float64Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in one and in the other tensor, flattened, of all pairs of values of one row at most `eps` apart.

    The values of both lie in order in a row, those of the other at places from n on, (p, 2n): what is near lies next
    to one another. Values that are left out are infinite.
    """
    width = ordered.shape[1]
    count, values = width // 2, _values(ordered)
    # Few are near to the next, so that further ones are looked at from these alone.
    with np.errstate(invalid="ignore"):  # between two that are left out
        is_near = values[:, 1:] - values[:, :-1] <= (_NEARLY * eps)[:, None].astype(np.float32)
    left = np.flatnonzero(is_near)
    row = left // (width - 1)
    left += row  # a row has one step less than it has values
    within, end = eps[row], (row + 1) * width
    places, values, step = ordered.reshape(-1), values.reshape(-1), 1
    lower, upper = [left[:0]], [left[:0]]
    while left.size:
        low, high = values[left].astype(np.float64), values[left + step].astype(np.float64)
        above, below = high <= low + within, low >= high - within
        one, other = (_place(places[at]) >= count for at in (left, left + step))
        near = np.where(one, below & ~other, above & other)
        lower.append(left[near])
        upper.append(left[near] + step)
        step += 1
        go_on = (above | below) & (left + step < end)
        left, within, end = left[go_on], within[go_on], end[go_on]
    low_ends, high_ends = np.concatenate(lower), np.concatenate(upper)
    start = low_ends // width * count
    ends = _place(places[low_ends]), _place(places[high_ends])
    return np.minimum(*ends) + start, np.maximum(*ends) + start - count


def _place(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    return ordered & 0xFFFFFFFF


def _values(ordered: NDArray[np.int64]) -> Values:
    """The values of whole numbers that end in their places."""
    bits = (ordered >> 32).astype(np.int32)
    return (bits ^ (bits >> 31 & _BEHIND_SIGN)).view(np.float32)


def _sorted(values: Values) -> NDArray[np.int64]:
    """The values of each row (p, n) in order, each as one whole number that ends in its place.

    Those are sorted in a third of the time that places by value take.
    """
    bits = values.view(np.int32)
    whole = (bits ^ (bits >> 31 & _BEHIND_SIGN)).astype(np.int64)  # of negative floats the larger number is the less
    whole <<= 32
    whole += np.arange(values.shape[1])
    whole.sort(axis=1)
    return whole
