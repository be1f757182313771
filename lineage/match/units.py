"""Units of tensors made ready for comparison, once for all the tensors that they are held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Latest
from lineage.match.permutation import standardised, unit_rows
from lineage.sketch.bands import sampled, sampling_weights
from lineage.sketch.projection import constant_unit
from lineage.types import CheckpointSketch, TensorSketch, Units

_KEPT = 4096  # axes of tensors: both axes of several models, some ten KB each
_TOGETHER = 8  # axes worked on at once: they stay in the processor's cache

Axis = tuple[TensorSketch, int]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """Standardised unit vectors centred over units, float32 (n, 32), their norms (n,), their gram matrix (32, 32)."""

    index: NDArray[np.int64]
    rows: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """Unit vectors of a tensor less its mean, each weighted by the units that it stands for, as one float64 row."""

    index: NDArray[np.int64]
    flat: NDArray[np.float64]
    norm: float


_ready: Latest[Axis, Ready] = Latest(_KEPT)
_centred: Latest[Axis, Centred] = Latest(_KEPT // 2)


def prepare(sketch: CheckpointSketch) -> None:
    """Make the units of a model ready many at a time, which is faster than one by one as they are asked for.

    Not those of a model with so many tensors that they could not be kept.
    """
    matrices = [t for t in sketch.tensors if t.part.excluded is None and None not in t.units]
    if len(matrices) <= _KEPT // 4:
        free = [(t, axis) for t in matrices for axis in (0, 1) if t.part.axes[axis].exchangeable]
        _fill(_ready, free, _made_ready)
        _fill(_centred, [(t, 0) for t in matrices], _made_centred)


def ready(tensor: TensorSketch, axis: int) -> Ready | None:
    """The units of one axis, all that the sketch kept; None without units."""
    return None if tensor.units[axis] is None else _recalled(_ready, (tensor, axis), _made_ready)


def centred(tensor: TensorSketch, axis: int) -> Centred | None:
    """All kept units of one axis, ready for Pearson's r; None without units."""
    return None if tensor.units[axis] is None else _recalled(_centred, (tensor, axis), _made_centred)


def _recalled(kept: Latest[Axis, Made], axis: Axis, make: Callable[[Sequence[Axis]], Sequence[Made]]) -> Made:
    known = kept.get(axis)
    if known is None:
        (known,) = make([axis])
        kept.keep([(axis, known)])
    return known


def _fill(kept: Latest[Axis, Made], axes: Sequence[Axis], make: Callable[[Sequence[Axis]], Sequence[Made]]) -> None:
    """Make what is not kept yet, a few axes of one length at a time."""
    alike: dict[tuple[int, bytes], list[Axis]] = defaultdict(list)
    known: list[tuple[Axis, Made]] = []
    for axis in axes:
        made = kept.get(axis)
        if made is None:
            alike[axis[0].shape[axis[1]], _units(*axis).index.tobytes()].append(axis)
        else:
            known.append((axis, made))
    kept.keep(known)
    for found in alike.values():
        for start in range(0, len(found), _TOGETHER):
            some = found[start : start + _TOGETHER]
            kept.keep(zip(some, make(some), strict=True))


def _made_ready(axes: Sequence[Axis]) -> list[Ready]:
    return _ready_rows(_stacked(axes), _units(*axes[0]).index)


def _made_centred(axes: Sequence[Axis]) -> list[Centred]:
    tensor, axis = axes[0]
    index = _units(tensor, axis).index
    root = _roots(tensor.shape[axis], index)
    means = np.stack([_mean_unit(*one) for one in axes])[:, None, :]
    flat = ((_stacked(axes) - means) * root).reshape(len(axes), -1)
    norms = np.sqrt(np.vecdot(flat, flat))
    return [Centred(index, row, float(norm)) for row, norm in zip(flat, norms, strict=True)]


def _stacked(axes: Sequence[Axis]) -> NDArray[np.float32]:
    """Unit vectors of several axes of one length, float32 (k, n, 32)."""
    units = [_units(*axis) for axis in axes]
    return np.stack([one.codes for one in units]) * np.stack([one.scale for one in units])[..., None]


def both_ready(a: TensorSketch, axis: int, b: TensorSketch, other: int) -> tuple[Ready, Ready] | None:
    """Units of `axis` of `a` and `other` of `b` at the positions that both kept; None where one has none."""
    left, right = ready(a, axis), ready(b, other)
    if left is None or right is None:
        return None
    if same_positions(left.index, right.index):
        return left, right
    units, others = _units(a, axis), _units(b, other)
    index = common_index(units, others)
    one, two = _ready_rows(np.stack([unit_rows(units, index), unit_rows(others, index)]), index)
    return one, two


def common_index(a: Units, b: Units) -> NDArray[np.int64]:
    """Positions that both kept, ascending."""
    return a.index if same_positions(a.index, b.index) else np.intersect1d(a.index, b.index, assume_unique=True)


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
    """Units of several axes at the same positions, (k, n, 32)."""
    rows = standardised(rows)
    norms = np.sqrt(np.square(rows).sum(axis=-1))
    rows -= rows.mean(axis=-2, keepdims=True)
    return [Ready(index, *one) for one in zip(rows, norms, rows.swapaxes(-1, -2) @ rows, strict=True)]


def _less_mean(tensor: TensorSketch, axis: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = unit_rows(_units(tensor, axis), index) - _mean_unit(tensor, axis)
    return rows


def _mean_unit(tensor: TensorSketch, axis: int) -> NDArray[np.float64]:
    """The unit vector of a tensor whose values all are this one's mean."""
    return tensor.stats.mean * _constant(tensor.shape, axis)


@lru_cache(maxsize=512)
def _constant(shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
    return constant_unit(shape, axis)


def _units(tensor: TensorSketch, axis: int) -> Units:
    units = tensor.units[axis]
    assert units is not None
    return units
