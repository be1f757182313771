"""Units of one axis of a tensor made ready for comparison, once for all the tensors that they are held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.match.permutation import standardised, unit_rows
from lineage.sketch.bands import sampled, sampling_weights
from lineage.sketch.projection import constant_unit
from lineage.types import TensorSketch, Units

_KEPT = 2048  # axes of tensors: both axes of several models, some ten KB each


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """Standardised unit vectors centred over units, float32 (n, 32), their norms (n,), their gram matrix (32, 32)."""

    index: NDArray[np.int64]
    rows: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]


@lru_cache(maxsize=_KEPT)
def ready(tensor: TensorSketch, axis: int) -> Ready | None:
    """The units of one axis, all that the sketch kept; None without units."""
    units = tensor.units[axis]
    return None if units is None else _ready(units, units.index)


def both_ready(a: TensorSketch, axis: int, b: TensorSketch, other: int) -> tuple[Ready, Ready] | None:
    """Units of `axis` of `a` and `other` of `b` at the positions that both kept; None where one has none."""
    left, right = ready(a, axis), ready(b, other)
    if left is None or right is None:
        return None
    if same_positions(left.index, right.index):
        return left, right
    units, others = a.units[axis], b.units[other]
    assert units is not None
    assert others is not None
    common = common_index(units, others)
    return _ready(units, common), _ready(others, common)


def common_index(a: Units, b: Units) -> NDArray[np.int64]:
    """Positions that both kept, ascending."""
    return a.index if same_positions(a.index, b.index) else np.intersect1d(a.index, b.index, assume_unique=True)


def same_positions(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Whether two ascending lists of positions are one."""
    return a is b or np.array_equal(a, b)


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """Unit vectors of a tensor less its mean, each weighted by the units that it stands for, as one float64 row."""

    index: NDArray[np.int64]
    flat: NDArray[np.float64]
    norm: float


@lru_cache(maxsize=_KEPT)
def centred(tensor: TensorSketch, axis: int) -> Centred | None:
    """All kept units of one axis, ready for Pearson's r; None without units."""
    units = tensor.units[axis]
    if units is None:
        return None
    # Rows of early positions are sampled densely: each counts for as many as it stands for.
    root = np.sqrt(sampling_weights(tensor.shape[axis]))[:, None]
    flat = (_less_mean(tensor, axis, units.index) * root).reshape(-1)
    return Centred(units.index, flat, float(np.linalg.norm(flat)))


def common_centred(a: TensorSketch, b: TensorSketch, other: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of axis 0 of `a` and `other` of `b` at the positions that both kept, float64 (n, 32) each."""
    units, others = a.units[0], b.units[other]
    assert units is not None
    assert others is not None
    common = common_index(units, others)
    length = min(a.shape[0], b.shape[other])
    root = np.sqrt(sampling_weights(length))[:, None] if len(sampled(length)) == len(common) else 1.0
    return _less_mean(a, 0, common) * root, _less_mean(b, other, common) * root


def _less_mean(tensor: TensorSketch, axis: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    units = tensor.units[axis]
    assert units is not None
    rows: NDArray[np.float64] = unit_rows(units, index) - tensor.stats.mean * _constant(tensor.shape, axis)
    return rows


@lru_cache(maxsize=512)
def _constant(shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
    return constant_unit(shape, axis)


def _ready(units: Units, index: NDArray[np.int64]) -> Ready:
    rows = standardised(unit_rows(units, index))
    norms = np.linalg.norm(rows, axis=1)
    rows = rows - rows.mean(axis=0) if len(rows) else rows
    return Ready(index, rows, norms, rows.T @ rows)
