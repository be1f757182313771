"""What the figures of a tensor can be: of any numbers at all, and of weights.

The inequalities hold for every tensor, so that a sketch which breaks one was damaged or forged; a tensor whose numbers
lie beyond what weights have is no evidence, since sums of its squares leave float32.
"""

from __future__ import annotations

import math

import numpy as np

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


def require_possible(tensor: TensorSketch) -> None:
    """Raise ValueError where no numbers have these figures: spread, sums of powers, sizes of units and of values."""
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
    if float(np.abs(tensor.values).max(initial=0.0)) > limit:
        raise ValueError("values beyond its statistics")
    for side, units in enumerate(tensor.units):
        if units is None:
            continue
        most = limit * math.sqrt(block / sizes[side]) / _CODE * (1.0 + _SLACK)
        least, largest = (float(units.scale.min(initial=0.0)), float(units.scale.max(initial=0.0)))
        if least < 0.0 or largest > most or (units.codes < -_CODE).any():
            raise ValueError("units beyond its statistics")
    if tensor.moments is not None:
        _require_sums(tensor, length)


def _require_sums(tensor: TensorSketch, length: float) -> None:
    """Sums of powers of n numbers (Cauchy and Schwarz), of which the block has its share."""
    first, second, third, fourth = (float(one) for one in tensor.moments)  # type: ignore[union-attr]
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
