"""Whether tokens that stand behind others were added to them, or are a tail that may have been cut off.

A vocabulary cut to its first tokens looks like the base of an extension. What tells is the seam: within one training
the tokens on its two sides are drawn alike, but for a slow drift; what somebody added is of other scripts or lengths.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lineage.match.tails import log10_normal
from lineage.sketch.tokenizer_kinds import MOST_LENGTH

WIDTH = 64
"""Sampled tokens on each side of a seam."""
LEAST = 16
"""Fewer added tokens in the sample tell nothing."""


def seam(marks: NDArray[np.uint8], at: int) -> float:
    """log10 p that the tokens before and from place `at` on are drawn alike; 0 for too few of them.

    `marks` (n, 2) are those of a sample in the order of ids. Two rank tests (Mann and Whitney 1947, ties counted), on
    lengths and on whether a token is ASCII; what they find at every other place of the sample, where nothing was added,
    is taken off, since vocabularies drift by themselves.
    """
    width = min(WIDTH, at, len(marks) - at)
    if width < LEAST:
        return 0.0
    elsewhere = [place for place in range(width, len(marks) - width + 1, width) if abs(place - at) >= width]
    found = []
    for values in ((marks[:, 0] & MOST_LENGTH).astype(np.int64), (marks[:, 1] == 0).astype(np.int64)):
        drift = max((abs(_rank_z(values, place, width)) for place in elsewhere), default=0.0)
        excess = _rank_z(values, at, width) ** 2 - drift**2
        found.append(log10_normal(math.sqrt(max(0.0, excess))))
    return min(0.0, min(found) + math.log10(len(found)))


def _rank_z(values: NDArray[np.int64], at: int, width: int) -> float:
    """Standardised rank sum of the `width` values before `at` among these and those behind; 0 without variance."""
    both = values[at - width : at + width]
    _, group, sizes = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    variance = width * width / (2 * width * (2 * width - 1)) * float(np.square(ranks - ranks.mean()).sum())
    return 0.0 if variance <= 0 else (float(ranks[:width].sum()) - width * (2 * width + 1) / 2) / math.sqrt(variance)
