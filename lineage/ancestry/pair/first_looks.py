"""Quick tests on the values of many tensors at once.

They never exclude anything wrongly and decide nearly all tensors, so that only the remaining ones are examined closely,
one at a time.
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
REPEATED = 0.6  # distinct share of a run's bfloat16 significands: 0.9 by chance, at most 0.5 on 8 levels
_TOGETHER = 32  # tensors processed at once: they fit in the processor's cache
_BELOW_HALF = (1 << 13) - 1  # bits of the float32 significand that 16-bit types lack
_BEYOND_ROUNDING = 1e-9  # sums of several tensors are added in another order than those of one

Values = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Look:
    """What is possible for the sampled values of one tensor.

    `few_levels`: runs of 16 along rows may repeat values, `few_down`: those down columns may. `few_significands`: the
    values fit in 16 bits and rows repeat significands. `bits` are the bits set in any value. `spacing` is the root mean
    square spacing of float32 at the values.
    """

    few_levels: bool
    few_down: bool
    few_significands: bool
    bits: int
    spacing: float


@Together
def look(tensors: Sequence[TensorSketch]) -> Iterable[Look]:
    """The quick tests of each tensor."""
    found: dict[int, Look] = {}
    for places, values in in_stacks([tensor.values for tensor in tensors], _TOGETHER):
        flat = values.reshape(len(values), -1)
        bits = np.bitwise_or.reduce(flat.view(np.uint32), axis=1)
        few = bits & _BELOW_HALF == 0
        few[few] = few_significands(values[few])
        spacing = np.sqrt(np.square(np.spacing(np.abs(flat)).astype(np.float64)).mean(axis=1))
        down = few_levels(values.swapaxes(1, 2)) if values.ndim == 3 else np.zeros(len(values), bool)
        columns = (few_levels(values), down, few, bits, spacing)
        found |= {i: Look(*row) for i, *row in zip(places, *(column.tolist() for column in columns), strict=True)}
    return [found[i] for i in range(len(tensors))]


def few_levels(values: Values) -> Flags:
    """Whether the first 16 values of rows may repeat, unlike plain floats: tensors (k, n, m) to (k,)."""
    runs = values[:, :, :RUN]
    live = runs != 0
    count = live.sum(axis=2)
    levels = 1 + (np.diff(np.sort(runs, axis=2), axis=2) > 0).sum(axis=2) - ~live.all(axis=2)
    told = count >= RUN / 2
    shares = np.divide(levels, count, out=np.zeros(count.shape), where=told)
    return np.asarray(shares.sum(axis=1) < (FEW + _BEYOND_ROUNDING) * told.sum(axis=1))


def few_significands(values: Values) -> Flags:
    """Whether rows have few distinct 8-bit significands, like E4M3 at one scale: tensors (k, n, m) to (k,)."""
    bits = np.sort(values.view(np.uint32) >> 16 & 0x7F, axis=2)
    distinct = 1 + (np.diff(bits, axis=2) != 0).sum(axis=2)
    return np.asarray(distinct.mean(axis=1) < REPEATED * bits.shape[2])
