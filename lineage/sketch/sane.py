"""What the figures of a tensor can be: of any numbers at all, and of weights.

The inequalities hold for every tensor, so that a sketch which breaks one was damaged or forged; a tensor whose numbers
lie beyond what weights have is no evidence, since sums of its squares leave float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.bands import sampled
from lineage.types import Stats, TensorSketch
from lineage.types.facts.exclusions import NotAWeight

EXTREME = NotAWeight("extreme-values")
_MOST, _LEAST = 1e12, 1e-25  # of the root of the mean square; public weights have 1e-10 to 1e8
_MOST_LEVELS = 512
_SLACK = 1e-3  # relative: figures are sums in float32 and float64
_CODE = 127
_TINY = float(np.finfo(np.float32).tiny)


def is_extreme(stats: Stats) -> bool:
    """Whether values of this mean and spread are none that weights have."""
    size = math.hypot(stats.mean, stats.std)
    return size > _MOST or 0.0 < size < _LEAST


def require_possible(tensors: Sequence[TensorSketch]) -> None:
    """Raise ValueError where no numbers have these figures: spread, sums of powers, sizes of units and of values."""
    sides = [
        (tensor, side, units) for tensor in tensors for side, units in enumerate(tensor.units) if units is not None
    ]
    scales = dict(zip([(id(t), side) for t, side, _ in sides], _ends([u.scale for _, _, u in sides]), strict=True))
    if any(least < -_CODE for least, _ in _ends([units.codes for _, _, units in sides])):
        raise ValueError("units beyond their codes")
    for tensor, (least, largest) in zip(tensors, _ends([tensor.values for tensor in tensors]), strict=True):
        _require_possible(tensor, max(-least, largest), [scales.get((id(tensor), side)) for side in (0, 1)])


def _ends(parts: Sequence[NDArray[Any]]) -> list[tuple[float, float]]:
    """The least and the largest number of each of some arrays that are not empty, or 0."""
    if not parts:
        return []
    whole = np.concatenate([part.reshape(-1) for part in parts])
    starts = np.cumsum([0, *(part.size for part in parts[:-1])])
    least, largest = (one.reduceat(whole, starts).tolist() for one in (np.minimum, np.maximum))
    return [(min(0.0, low), max(0.0, high)) for low, high in zip(least, largest, strict=True)]


def _require_possible(tensor: TensorSketch, value: float, scales: Sequence[tuple[float, float] | None]) -> None:
    """The same of one tensor, whose largest value and least and largest scales are given."""
    stats = tensor.stats
    shares = (stats.zeros, stats.distinct)
    if min(stats.std, stats.kurtosis) < 0.0 or not all(0.0 <= share <= 1.0 for share in shares):
        raise ValueError("impossible statistics")
    if not all(0 <= levels <= _MOST_LEVELS for levels in (stats.levels_row, stats.levels_group)):
        raise ValueError("an impossible number of levels")
    sizes = [len(sampled(n)) for n in _sides(tensor.shape)]
    block = math.prod(sizes)
    length = math.sqrt(block) * math.hypot(stats.mean, stats.std)  # of the block as one vector
    limit = length * (1.0 + _SLACK) + _TINY
    if value > limit:
        raise ValueError("values beyond its statistics")
    for side, ends in enumerate(scales):
        if ends is not None:
            most = limit * math.sqrt(block / sizes[side]) / _CODE * (1.0 + _SLACK)
            if ends[0] < 0.0 or ends[1] > most:
                raise ValueError("units beyond its statistics")
    if tensor.moments is not None:
        _require_sums(tensor, length)


def _require_sums(tensor: TensorSketch, length: float) -> None:
    """Sums of powers of n numbers (Cauchy and Schwarz), of which the block has its share."""
    first, second, third, fourth = tensor.moments.tolist()  # type: ignore[union-attr]
    n, more = float(tensor.params), 1.0 + _SLACK
    if min(second, fourth) < 0.0 or second > n * 1.2e77 or fourth > n * 1.4e154:  # powers of the largest float32
        raise ValueError("impossible sums of powers")
    lost = n * _TINY  # powers of small numbers leave float32 downwards
    square, fourth_root = math.sqrt(second + lost), math.sqrt(fourth + lost)
    if not (
        abs(first) <= math.sqrt(n) * square * more
        and second <= math.sqrt(n) * fourth_root * more
        and abs(third) <= square * fourth_root * more
        and math.sqrt(fourth) <= (second + lost) * more
        and length <= square * more
    ):
        raise ValueError("sums of powers that do not go together")


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) < 2:
        return shape or (1,)
    return shape[0], shape[1], math.prod(shape[2:])
