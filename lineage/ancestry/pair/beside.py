"""The common sampled values of many pairs of tensors, with quick tests of how they are related."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.channel_scales import bent
from lineage.match.values import common_values
from lineage.sketch.stacks import in_stacks, laid
from lineage.types import TensorSketch

Values = NDArray[np.float32]
Sides = tuple[TensorSketch, TensorSketch, bool]
"""Query tensor, reference tensor, and whether one is stored transposed."""

_TOGETHER = 32  # pairs processed at once: they fit in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Values `x`, `y` (rows, columns) float32 of two tensors at the positions sampled in both, with quick tests.

    `equal`: all values are equal. `unchanged` is the share of equal values among those that are zero on neither side.
    `bent`: certainly neither rows nor columns are multiples of the other's.
    """

    x: Values
    y: Values
    equal: bool
    unchanged: float
    bent: bool


def beside(sides: Sequence[Sides]) -> list[Beside]:
    """The common values of each pair of tensors, with the quick tests."""
    pairs = [common_values(*one) for one in sides]
    found: dict[int, Beside] = {}
    for places, x in in_stacks([x for x, _ in pairs], _TOGETHER):
        y = laid([pairs[i][1] for i in places])
        same, live = x == y, (x != 0) & (y != 0)
        rows = zip(
            places,
            same.all(axis=(1, 2)).tolist(),
            ((live & same).sum(axis=(1, 2)) / np.maximum(1, live.sum(axis=(1, 2)))).tolist(),
            (bent(x[:, :1], y[:, :1]) & bent(x[:, :, :1], y[:, :, :1])).tolist(),
            strict=True,
        )
        found |= {i: Beside(*pairs[i], *row) for i, *row in rows}
    return [found[i] for i in range(len(sides))]
