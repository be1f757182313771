"""Units of tensors made ready for comparison, once for all the tensors that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Latest
from lineage.match.permutation import mean_row, standardise, unit_rows
from lineage.sketch.bands import sampled, sampling_weights
from lineage.sketch.projection import constant_unit
from lineage.sketch.stacks import by_kind
from lineage.types import CheckpointSketch, TensorSketch, Units

_KEPT = 8192  # axes of tensors: both axes of a dozen models, some ten KB each
_TOGETHER = 16  # axes worked on at once: they stay in the processor's cache

Axis = tuple[TensorSketch, int]
Made = TypeVar("Made")


class Ready(NamedTuple):
    """Standardised unit vectors centred over units, float32 (n, 32), their norms (n,), their gram matrix (32, 32)."""

    positions: NDArray[np.int64]
    rows: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]


class Centred(NamedTuple):
    """Unit vectors of a tensor less its mean, each weighted by the units that it stands for, as one float64 row."""

    positions: NDArray[np.int64]
    flat: NDArray[np.float64]
    norm: float


_ready: Latest[Axis, Ready] = Latest(_KEPT)
_centred: Latest[Axis, Centred] = Latest(_KEPT // 2)


def prepare(sketch: CheckpointSketch, other: CheckpointSketch) -> None:
    """Make units of a model ready many at a time, which is faster than one by one as they are asked for.

    Those of matrices that the other model has one of the same shape for, be it turned; not those of a model with so
    many tensors that they could not be kept.
    """
    shapes = {shape for t in other.tensors for shape in (t.shape, t.shape[::-1])}
    matrices = [t for t in sketch.tensors if t.shape in shapes and t.part.excluded is None and None not in t.units]
    if len(matrices) <= _KEPT // 4:
        _many(_ready, [(t, axis) for t in matrices for axis in (0, 1) if t.part.axes[axis].exchangeable], _made_ready)
        _many(_centred, [(t, 0) for t in matrices], _made_centred)


def ready(tensor: TensorSketch, axis: int) -> Ready | None:
    """The units of one axis, all that the sketch kept; None without units."""
    return None if tensor.units[axis] is None else _recalled(_ready, (tensor, axis), _made_ready)


def centred(tensor: TensorSketch, axis: int) -> Centred | None:
    """All kept units of one axis, ready for Pearson's r; None without units."""
    return None if tensor.units[axis] is None else _recalled(_centred, (tensor, axis), _made_centred)


def _recalled(kept: Latest[Axis, Made], axis: Axis, make: Callable[[Sequence[Axis]], Sequence[Made]]) -> Made:
    known = kept.get(axis)
    return _many(kept, [axis], make)[axis] if known is None else known


def _many(
    kept: Latest[Axis, Made], axes: Sequence[Axis], make: Callable[[Sequence[Axis]], Sequence[Made]]
) -> dict[Axis, Made]:
    """What is kept of some axes; what is not kept yet is made, a few axes of one length at a time."""
    found = {axis: made for axis in axes if (made := kept.get(axis)) is not None}
    new = [axis for axis in dict.fromkeys(axes) if axis not in found]
    for places in by_kind([(axis[0].shape[axis[1]], _positions(axis)) for axis in new], _TOGETHER):
        some = [new[i] for i in places]
        found.update(zip(some, make(some), strict=True))
    kept.keep(found.items())
    return found


def _positions(axis: Axis) -> int:
    """A number that is one for axes whose units were kept at the same positions."""
    return id(_units(*axis).index)  # those of every axis of one length are one array (see `sampled`)


def _made_ready(axes: Sequence[Axis]) -> list[Ready]:
    return _ready_rows(_stacked(axes), _units(*axes[0]).index)


def _made_centred(axes: Sequence[Axis]) -> list[Centred]:
    tensor, axis = axes[0]
    index = _units(tensor, axis).index
    flat = np.stack([_units(*one).codes for one in axes]).astype(np.float64)
    flat *= np.stack([_units(*one).scale for one in axes])[..., None]
    flat -= np.stack([_mean_unit(*one) for one in axes])[:, None, :]
    flat *= _roots(tensor.shape[axis], index)
    flat = flat.reshape(len(axes), -1)
    norms = np.sqrt(np.vecdot(flat, flat))
    return [Centred(index, row, float(norm)) for row, norm in zip(flat, norms, strict=True)]


def _stacked(axes: Sequence[Axis], at: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Unit vectors of several axes of one length, float32 (k, n, 32), all or those at some places."""
    units = [_units(*axis) for axis in axes]
    codes, scales = np.stack([one.codes for one in units]), np.stack([one.scale for one in units])
    if at is not None:
        codes, scales = codes[:, at], scales[:, at]
    rows = codes.astype(np.float32)
    rows *= scales[..., None]
    return rows


def both_ready(a: TensorSketch, axis: int, b: TensorSketch, other: int) -> tuple[Ready, Ready] | None:
    """Units of `axis` of `a` and `other` of `b` at the positions that both kept; None where one has none."""
    return facing_ready([(a, axis, b, other)])[0]


def facing_ready(sides: Sequence[tuple[TensorSketch, int, TensorSketch, int]]) -> list[tuple[Ready, Ready] | None]:
    """The same of many pairs of axes, made ready together."""
    known = [
        i for i, (a, axis, b, other) in enumerate(sides) if a.units[axis] is not None and b.units[other] is not None
    ]
    pairs = {i: ((a, axis), (b, other)) for i in known for a, axis, b, other in [sides[i]]}
    one = {i for i, (x, y) in pairs.items() if same_positions(_units(*x).index, _units(*y).index)}
    ready = _many(_ready, [axis for i in one for axis in pairs[i]], _made_ready)
    found: list[tuple[Ready, Ready] | None] = [None] * len(sides)
    for i in one:
        found[i] = ready[pairs[i][0]], ready[pairs[i][1]]
    others = [i for i in known if i not in one]
    for i, both in zip(others, _at_common_positions([pairs[i] for i in others]), strict=True):
        found[i] = both
    return found


def _at_common_positions(pairs: Sequence[tuple[Axis, Axis]]) -> list[tuple[Ready, Ready]]:
    """Both axes of each pair at the positions that both kept, a few of the same positions at a time."""
    found: dict[int, tuple[Ready, Ready]] = {}
    for some in by_kind([(_positions(x), _positions(y)) for x, y in pairs], _TOGETHER):
        left, right = (_units(*axis) for axis in pairs[some[0]])
        index = common_index(left, right)
        at = [None if one.index is index else np.searchsorted(one.index, index) for one in (left, right)]
        rows = [_stacked([pairs[i][side] for i in some], at[side]) for side in (0, 1)]
        made = _ready_rows(np.concatenate(rows), index)
        found |= zip(some, zip(made, made[len(some) :], strict=False), strict=True)
    return [found[i] for i in range(len(pairs))]


def common_index(a: Units, b: Units) -> NDArray[np.int64]:
    """Positions that both kept, ascending."""
    return a.index if same_positions(a.index, b.index) else _common(a.index, b.index)


def _common(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """What two ascending lists have in common; one of them where it is all in the other, as a shorter axis often is."""
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    at = np.minimum(np.searchsorted(long, short), len(long) - 1)
    held = long[at] == short
    return short if held.all() else short[held]


def same_positions(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Whether two ascending lists of positions are one."""
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


def _ready_rows(rows: NDArray[np.float32], index: NDArray[np.int64]) -> list[Ready]:
    """Units of several axes at the same positions, (k, n, 32), which are worked on in place."""
    rows = standardise(rows)
    norms = np.sqrt(np.vecdot(rows, rows))
    rows -= mean_row(rows)
    return [Ready(index, *one) for one in zip(rows, norms, rows.swapaxes(-1, -2) @ rows, strict=True)]


def _less_mean(tensor: TensorSketch, axis: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = unit_rows(_units(tensor, axis), index) - _mean_unit(tensor, axis)
    return rows


def _mean_unit(tensor: TensorSketch, axis: int) -> NDArray[np.float64]:
    """The unit vector of a tensor whose values all are this one's mean."""
    return tensor.stats.mean * constant_unit(tensor.shape, axis)


def _units(tensor: TensorSketch, axis: int) -> Units:
    units = tensor.units[axis]
    assert units is not None
    return units
