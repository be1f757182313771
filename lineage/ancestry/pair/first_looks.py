"""First looks at the values of many tensors at once.

What they rule out is ruled out for sure, and that is nearly everything: only what they leave open is looked at closely,
one tensor after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Together
from lineage.sketch.stacks import in_stacks
from lineage.types import TensorSketch

RUN = 16  # the first positions of an axis are all sampled: the head of a run
FEW = 0.8  # distinct share of the values of a run: 0.6-0.75 on 16 levels, 0.95 and more without
REPEATED = 0.6  # of a run's significands of bfloat16 0.9 are distinct by chance, of 8 levels at most a half
_TOGETHER = 32  # tensors worked on at once: they stay in the processor's cache
_BELOW_HALF = (1 << 13) - 1  # bits of the significand of float32 that no type of 16 bits has
_BEYOND_ROUNDING = 1e-9  # sums of several tensors are added in another order than those of one

Values = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Look:
    """What the sampled values of one tensor leave open.

    `few_levels`: the runs of 16 may repeat values. `few_significands`: its values are of 16 bits, and its rows repeat
    significands. `bits` are set in some value. `spacing` is the root mean square distance to the next float32.
    """

    few_levels: bool
    few_significands: bool
    bits: int
    spacing: float


@Together
def look(tensors: Sequence[TensorSketch]) -> Iterable[Look]:
    """The first look at each of some tensors."""
    found: dict[int, Look] = {}
    for places, values in in_stacks([tensor.values for tensor in tensors], _TOGETHER):
        flat = values.reshape(len(values), -1)
        bits = np.bitwise_or.reduce(flat.view(np.uint32), axis=1)
        few = bits & _BELOW_HALF == 0
        few[few] = few_significands(values[few])
        spacing = np.sqrt(np.square(np.spacing(np.abs(flat)).astype(np.float64)).mean(axis=1))
        columns = (few_levels(values), few, bits, spacing)
        found |= {i: Look(*row) for i, *row in zip(places, *(column.tolist() for column in columns), strict=True)}
    return [found[i] for i in range(len(tensors))]


def few_levels(values: Values) -> Flags:
    """Whether the heads of the rows of some tensors (k, n, m) may repeat values, as those of plain floats do not."""
    runs = values[:, :, :RUN]
    live = runs != 0
    count = live.sum(axis=2)
    levels = 1 + (np.diff(np.sort(runs, axis=2), axis=2) > 0).sum(axis=2) - ~live.all(axis=2)
    told = count >= RUN / 2
    shares = np.divide(levels, count, out=np.zeros(count.shape), where=told)
    return np.asarray(shares.sum(axis=1) < (FEW + _BEYOND_ROUNDING) * told.sum(axis=1))


def few_significands(values: Values) -> Flags:
    """Whether the rows of some tensors (k, n, m) share few significands of 8 bits, as those of E4M3 at one scale do."""
    bits = np.sort(values.view(np.uint32) >> 16 & 0x7F, axis=2)
    distinct = 1 + (np.diff(bits, axis=2) != 0).sum(axis=2)
    return np.asarray(distinct.mean(axis=1) < REPEATED * bits.shape[2])
