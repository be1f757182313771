"""Units of tensors prepared for comparison, once for all their partners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Latest
from lineage.match.permutation import mean_row, standardise, unit_rows
from lineage.sketch.bands import sampled, sampling_weights
from lineage.sketch.family import UNIT_DIMS
from lineage.sketch.projection import constant_unit
from lineage.sketch.stacks import by_kind, laid
from lineage.types import CheckpointSketch, TensorSketch, Units

_KEPT = 8192  # cached axes of tensors: both axes of a dozen models, about ten KB each
_SMALL = _KEPT // 128  # matrices of a model of which the cache holds a hundred
_TOGETHER = 16  # axes processed at once: they fit in the processor's cache

Axis = tuple[TensorSketch, int]
Made = TypeVar("Made")
Make = Callable[[Sequence[Sequence[Axis]]], Iterator[Made]]
Scalar = TypeVar("Scalar", bound=np.generic)


class Stack(NamedTuple):
    """Standardised unit vectors of k axes at the same positions, centred over units, float32 (k, n, 32).

    With their norms (k, n) and their gram matrices (k, 32, 32).
    """

    rows: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]


class Ready(NamedTuple):
    """The units of one axis, (n, 32), (n,) and (32, 32), and where they lie in a stack."""

    positions: NDArray[np.int64]
    rows: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]
    stack: Stack
    place: int


class Centred(NamedTuple):
    """Unit vectors of a tensor less its mean, each weighted by the units that it stands for, as one float64 row."""

    positions: NDArray[np.int64]
    flat: NDArray[np.float64]
    norm: float


_ready: Latest[Axis, Ready] = Latest(_KEPT)
_centred: Latest[Axis, Centred] = Latest(_KEPT // 2)


def prepare(a: CheckpointSketch, b: CheckpointSketch) -> None:
    """Prepare units of two models many at a time, which is faster than one at a time.

    Units are prepared for matrices with a counterpart of equal or transposed shape in the other model, but not for a
    model with more matrices than the cache holds.
    """
    for sketch, other in ((a, b), (b, a)):
        shapes = {shape for t in other.tensors for shape in (t.shape, t.shape[::-1])}
        matrices = [t for t in sketch.tensors if t.shape in shapes and t.part.excluded is None and None not in t.units]
        if len(matrices) <= _KEPT // 4:
            free = [(t, axis) for t in matrices for axis in (0, 1) if t.part.axes[axis].exchangeable]
            # Marked as used here, once a comparison, and not by each look at them.
            _many(_ready, free, _made_ready, mark=True)
            _many(_centred, [(t, 0) for t in matrices], _made_centred, mark=True)


def release(sketch: CheckpointSketch) -> None:
    """Give back the memory of a model that will not be compared again soon, for the next one.

    Memory that is new to the process costs as much as the numbers that are put there. Small models stay: the cache
    holds many of these, and a later question may meet them.
    """
    matrices = [t for t in sketch.tensors if None not in t.units]
    if len(matrices) > _SMALL:
        _ready.drop((t, axis) for t in matrices for axis in (0, 1))
        _centred.drop((t, axis) for t in matrices for axis in (0, 1))


def ready(tensor: TensorSketch, axis: int) -> Ready | None:
    """The prepared units of one axis, all that were sampled; None without units."""
    return None if tensor.units[axis] is None else _recalled(_ready, (tensor, axis), _made_ready)


def centred(tensor: TensorSketch, axis: int) -> Centred | None:
    """All kept units of one axis, ready for Pearson's r; None without units."""
    return None if tensor.units[axis] is None else _recalled(_centred, (tensor, axis), _made_centred)


def stacked(many: Sequence[Ready]) -> Stack:
    """Axes at the same positions as one stack, without a copy where they lie at even distances in the one they are in.

    So the matrices of one role do, layer by layer.
    """
    stack, places = many[0].stack, [one.place for one in many]
    if any(one.stack is not stack for one in many):
        return Stack(*(laid(arrays) for arrays in zip(*(one[1:4] for one in many), strict=True)))
    step = places[1] - places[0] if len(places) > 1 else 1
    if step > 0 and places == [*range(places[0], places[-1] + 1, step)]:
        return Stack(*(array[places[0] : places[-1] + 1 : step] for array in stack))
    return Stack(*(array[places] for array in stack))


def _recalled(kept: Latest[Axis, Made], axis: Axis, make: Make[Made]) -> Made:
    known = kept.get(axis)
    return _many(kept, [axis], make)[axis] if known is None else known


def _many(kept: Latest[Axis, Made], axes: Sequence[Axis], make: Make[Made], *, mark: bool = False) -> dict[Axis, Made]:
    """The cached facts of some axes, which it may mark as used; missing ones are computed."""
    found = {axis: made for axis in axes if (made := kept.get(axis)) is not None}
    if mark:
        kept.keep(found.items())
    new = [axis for axis in dict.fromkeys(axes) if axis not in found]
    if new:
        kinds = by_kind([(axis[0].shape[axis[1]], _positions(axis)) for axis in new], len(new))
        alike = [[new[i] for i in places] for places in kinds]
        fresh = [*zip((axis for some in alike for axis in some), make(alike), strict=True)]
        kept.keep(fresh)
        found.update(fresh)
    return found


def _positions(axis: Axis) -> int:
    """A number that is equal for axes whose units were sampled at the same positions."""
    return id(_units(*axis).index)  # those of every axis of one length are one array (see `sampled`)


def _made_ready(alike: Sequence[Sequence[Axis]]) -> Iterator[Ready]:
    """The units of axes, those of one length and the same positions together."""
    sizes = [(len(some), len(_units(*some[0]).index)) for some in alike]
    shapes = [shape for k, n in sizes for shape in ((k, n, UNIT_DIMS), (k, n), (k, UNIT_DIMS, UNIT_DIMS))]
    arrays = iter(_laid_out(shapes, np.float32))
    for some in alike:
        stack = Stack(next(arrays), next(arrays), next(arrays))
        for start in range(0, len(some), _TOGETHER):
            part = Stack(*(array[start : start + _TOGETHER] for array in stack))
            _decode(some[start : start + _TOGETHER], part.rows)
            _make_ready(part)
        yield from _in_turn(_units(*some[0]).index, stack)


def _made_centred(alike: Sequence[Sequence[Axis]]) -> Iterator[Centred]:
    """The same for Pearson's r."""
    shapes = [(len(some), len(_units(*some[0]).index), UNIT_DIMS) for some in alike]
    for some, rows in zip(alike, _laid_out(shapes, np.float64), strict=True):
        tensor, axis = some[0]
        index = _units(tensor, axis).index
        roots = _roots(tensor.shape[axis], index)
        for start in range(0, len(some), _TOGETHER):
            few, part = some[start : start + _TOGETHER], rows[start : start + _TOGETHER]
            _decode(few, part)
            part -= laid([_mean_unit(*one) for one in few])[:, None, :]
            part *= roots
        flat = rows.reshape(len(some), -1)
        yield from (Centred(index, *one) for one in zip(flat, np.sqrt(np.vecdot(flat, flat)).tolist(), strict=True))


def _laid_out(shapes: Sequence[tuple[int, ...]], of: type[Scalar]) -> list[NDArray[Scalar]]:
    """Arrays of these shapes in one piece of memory, which comes in large pages where the system has some.

    Pages that a process gets one by one cost more than the numbers that are put there.
    """
    sizes = [prod(shape) for shape in shapes]
    parts = np.split(np.empty(sum(sizes), of), np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _decode(axes: Sequence[Axis], rows: NDArray[np.floating], at: NDArray[np.int64] | None = None) -> None:
    """Write the unit vectors of several axes of one length to (k, n, 32), all or those at some places."""
    units = [_units(*axis) for axis in axes]
    codes, scales = laid([one.codes for one in units]), laid([one.scale for one in units])
    if at is not None:
        codes, scales = codes[:, at], scales[:, at]
    np.multiply(codes, scales.astype(rows.dtype)[..., None], out=rows)


def _make_ready(stack: Stack) -> None:
    """Standardise and centre the unit vectors of a stack in place, and fill in their norms and gram matrices."""
    rows, norms, gram = stack
    standardise(rows)
    np.sqrt(np.vecdot(rows, rows), out=norms)
    rows -= mean_row(rows)
    np.matmul(rows.swapaxes(-1, -2), rows, out=gram)


def _in_turn(positions: NDArray[np.int64], stack: Stack) -> Iterator[Ready]:
    return (Ready(positions, *one, stack, place) for place, one in enumerate(zip(*stack, strict=True)))


def facing_ready(sides: Sequence[tuple[TensorSketch, int, TensorSketch, int]]) -> list[tuple[Ready, Ready] | None]:
    """Units of pairs of axes at the positions sampled in both; None if one has no units."""
    found: list[tuple[Ready, Ready] | None] = [None] * len(sides)
    made, others = dict[int, tuple[Axis, Axis]](), dict[int, tuple[Axis, Axis]]()
    for i, (a, axis, b, other) in enumerate(sides):
        left, right = a.units[axis], b.units[other]
        if left is not None and right is not None:
            x, y = (a, axis), (b, other)
            (made if same_positions(left.index, right.index) else others)[i] = x, y
    ready = _many(_ready, [axis for both in made.values() for axis in both], _made_ready)
    for i, (x, y) in made.items():
        found[i] = ready[x], ready[y]
    for i, both in zip(others, _at_common_positions([*others.values()]), strict=True):
        found[i] = both
    return found


def _at_common_positions(pairs: Sequence[tuple[Axis, Axis]]) -> list[tuple[Ready, Ready]]:
    """Both axes of each pair at the positions sampled in both, in batches of equal positions."""
    found: dict[int, tuple[Ready, Ready]] = {}
    for some in by_kind([(_positions(x), _positions(y)) for x, y in pairs], _TOGETHER):
        left, right = (_units(*axis) for axis in pairs[some[0]])
        index = common_index(left, right)
        count = len(some)
        shapes = (2 * count, len(index), UNIT_DIMS), (2 * count, len(index)), (2 * count, UNIT_DIMS, UNIT_DIMS)
        stack = Stack(*_laid_out(shapes, np.float32))
        for side, one in enumerate((left, right)):
            at = None if one.index is index else np.searchsorted(one.index, index)
            _decode([pairs[i][side] for i in some], stack.rows[side * count : (side + 1) * count], at)
        _make_ready(stack)
        made = [*_in_turn(index, stack)]
        found |= zip(some, zip(made[:count], made[count:], strict=True), strict=True)
    return [found[i] for i in range(len(pairs))]


def common_index(a: Units, b: Units) -> NDArray[np.int64]:
    """Positions sampled in both, ascending."""
    return a.index if same_positions(a.index, b.index) else _common(a.index, b.index)


def _common(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The intersection of two ascending arrays; the shorter one itself if the other contains it."""
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    at = np.minimum(np.searchsorted(long, short), len(long) - 1)
    held = long[at] == short
    return short if held.all() else short[held]


def same_positions(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Whether two ascending arrays of positions are equal."""
    return a is b or np.array_equal(a, b)


def common_centred(a: TensorSketch, b: TensorSketch, other: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of axis 0 of `a` and `other` of `b` at the positions that both kept, float64 (n, 32) each."""
    common = common_index(_units(a, 0), _units(b, other))
    length = min(a.shape[0], b.shape[other])
    root = _roots(length, common)
    return _less_mean(a, 0, common) * root, _less_mean(b, other, common) * root


def _roots(length: int, index: NDArray[np.int64]) -> NDArray[np.float64] | float:
    """Roots of the weights of sampled rows, (n, 1): those of early positions, sampled densely, stand for fewer.

    1 where others were kept than an axis of this length has sampled: of tensors that were joined.
    """
    return np.sqrt(sampling_weights(length))[:, None] if same_positions(sampled(length), index) else 1.0


def _less_mean(tensor: TensorSketch, axis: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = unit_rows(_units(tensor, axis), index) - _mean_unit(tensor, axis)
    return rows


def _mean_unit(tensor: TensorSketch, axis: int) -> NDArray[np.float64]:
    """The unit vector of a constant tensor with this one's mean, (32,)."""
    return tensor.stats.mean * constant_unit(tensor.shape, axis)


def _units(tensor: TensorSketch, axis: int) -> Units:
    units = tensor.units[axis]
    assert units is not None
    return units
