"""Limits on the figures of a tensor: those of any numbers, and those of weights.

The inequalities hold for every tensor, so that a sketch which breaks one was damaged or forged; a tensor whose numbers
lie beyond what weights have is not evidence, since sums of its squares leave float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.arrays import ValueType
from lineage.sketch.bands import sampled
from lineage.types import Float64Array, Stats, TensorSketch
from lineage.types.facts.exclusions import NotAWeight

EXTREME = NotAWeight("extreme-values")
_MOST, _LEAST = 1e12, 1e-25  # of the root of the mean square; public weights have 1e-10 to 1e8
_MOST_LEVELS = 512
_SLACK = 1e-3  # relative: figures are sums in float32 and float64
_CODE = 127
_TINY = float(np.finfo(np.float32).tiny)


def is_extreme(stats: Stats) -> bool:
    """Whether this mean and spread are outside the range of weights."""
    size = math.hypot(stats.mean, stats.std)
    return size > _MOST or 0.0 < size < _LEAST


def require_possible(
    tensors: Sequence[TensorSketch],
    values: Mapping[ValueType, NDArray[np.float32]],
    types: Sequence[ValueType],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Raise ValueError if no numbers can have these figures: spread, power sums, sizes of units and values.

    `values` are those of all the tensors, in order, by their `types`; `arrays` hold their units (see `ARRAYS`).
    """
    if not tensors:
        return
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values and NaN violate an inequality
        length = _lengths(tensors)
        limit = length * (1.0 + _SLACK) + _TINY
        _require_short(tensors, limit, values, types)
        _require_size(tensors, limit, arrays)
        _require_sums(tensors, length)


def _lengths(tensors: Sequence[TensorSketch]) -> Float64Array:
    """The length of the sampled block of each tensor as one vector, by its mean and spread, which must be possible."""
    stats = [tensor.stats for tensor in tensors]
    shares = np.array([(one.zeros, one.distinct) for one in stats])
    mean, std, kurtosis = np.array([(one.mean, one.std, one.kurtosis) for one in stats]).T
    if not ((std >= 0.0).all() and (kurtosis >= 0.0).all() and (shares >= 0.0).all() and (shares <= 1.0).all()):
        raise ValueError("impossible statistics")
    if not all(0 <= levels <= _MOST_LEVELS for one in stats for levels in (one.levels_row, one.levels_group)):
        raise ValueError("an impossible number of levels")
    blocks = np.array([math.prod(_sampled_sides(tensor.shape)) for tensor in tensors])
    return np.asarray(np.sqrt(blocks) * np.hypot(mean, std))


def _require_short(
    tensors: Sequence[TensorSketch],
    limit: Float64Array,
    values: Mapping[ValueType, NDArray[np.float32]],
    types: Sequence[ValueType],
) -> None:
    """No value is longer than the block."""
    for kind in {*types}:
        places = [i for i, own in enumerate(types) if own == kind]
        low, high = _ends(values[kind], [tensors[i].values.size for i in places])
        if not (np.maximum(-low, high) <= limit[places]).all():
            raise ValueError("values beyond its statistics")


def _require_size(tensors: Sequence[TensorSketch], limit: Float64Array, arrays: Mapping[str, NDArray[Any]]) -> None:
    """No unit is longer than that of a block of this length can be."""
    held = [(i, side, u) for i, one in enumerate(tensors) for side, u in enumerate(one.units) if u is not None]
    if not held:
        return
    if arrays["unit_codes"].min() < -_CODE:
        raise ValueError("units beyond their codes")
    across = [math.prod(sides) / sides[side] for i, side, _ in held for sides in [_sampled_sides(tensors[i].shape)]]
    low, high = _ends(arrays["unit_scale"], [len(units.scale) for _, _, units in held])
    most = limit[[i for i, _, _ in held]] * np.sqrt(across) / _CODE * (1.0 + _SLACK)
    if not ((low >= 0.0).all() and (high <= most).all()):
        raise ValueError("units beyond its statistics")


def _require_sums(tensors: Sequence[TensorSketch], length: Float64Array) -> None:
    """Sums of powers of n numbers (Cauchy and Schwarz), of which the block has its share."""
    told = [(i, float(t.params), t.moments) for i, t in enumerate(tensors) if t.moments is not None]
    if not told:
        return
    first, second, third, fourth = np.stack([moments for _, _, moments in told]).T
    n, more = np.array([params for _, params, _ in told]), 1.0 + _SLACK
    is_possible = (np.minimum(second, fourth) >= 0.0) & (second <= n * 1.2e77)
    if not (is_possible & (fourth <= n * 1.4e154)).all():  # powers of the largest float32
        raise ValueError("impossible sums of powers")
    lost = n * _TINY  # powers of small numbers leave float32 downwards
    square, fourth_root = np.sqrt(second + lost), np.sqrt(fourth + lost)
    go_together = (
        (np.abs(first) <= np.sqrt(n) * square * more)
        & (second <= np.sqrt(n) * fourth_root * more)
        & (np.abs(third) <= square * fourth_root * more)
        & (np.sqrt(fourth) <= (second + lost) * more)
        & (length[[i for i, _, _ in told]] <= square * more)
    )
    if not go_together.all():
        raise ValueError("sums of powers that do not go together")


def _ends(whole: NDArray[Any], sizes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the largest number of each part of an array, or 0; of so many numbers each, and none is empty."""
    starts = np.cumsum([0, *sizes[:-1]])
    return np.minimum(np.minimum.reduceat(whole, starts), 0), np.maximum(np.maximum.reduceat(whole, starts), 0)


@lru_cache(maxsize=1024)
def _sampled_sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The number of sampled positions of each axis; the positions of a kernel count as one axis."""
    sides = (shape or (1,)) if len(shape) < 2 else (shape[0], shape[1], math.prod(shape[2:]))
    return tuple(len(sampled(side)) for side in sides)
