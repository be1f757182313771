"""The values of many pairs of tensors side by side, and first looks at what one may be of the other."""

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
"""Query tensor, reference tensor, and whether one is stored the other way round."""

_TOGETHER = 32  # pairs worked on at once: they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Values of two tensors at the positions that both kept (rows, columns), and what they leave open.

    `equal`: all are; `unchanged` is the share of those that are not zero. `bent`: beyond doubt neither rows nor columns
    are the others at scales of their own.
    """

    x: Values
    y: Values
    equal: bool
    unchanged: float
    bent: bool


def beside(sides: Sequence[Sides]) -> list[Beside]:
    """The values of pairs of tensors side by side."""
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
