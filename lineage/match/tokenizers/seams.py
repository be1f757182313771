"""Whether tokens that stand behind others were added to them, or are a tail that may have been cut off.

A vocabulary cut to its first tokens looks like the base of an extension. The seam decides: within one training
the tokens on its two sides are drawn alike, but for a slow drift; what somebody added is of other scripts or lengths.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lineage.match.tails import log10_normal
from lineage.sketch.tokenizer_kinds import MOST_LENGTH

LEAST = 16
"""Least number of tokens on each side of a seam for a test."""
SHARE = 8
"""A side takes up to an eighth of the common order, so that seven other places in it show how it drifts."""


def seam(core: NDArray[np.uint8], added: NDArray[np.uint8]) -> float:
    """log10 p that the tokens `added` after those of `core` are drawn like its last ones; 0 for too few of them.

    Both are marks (n, 3) of a sample in the order of ids. Rank tests (Mann and Whitney 1947, ties counted) on lengths,
    on whether a token is ASCII, and on whether it is two earlier ones; the most that they find between neighbouring
    stretches of the core, where nothing was added, is subtracted, since vocabularies drift by themselves.
    """
    width = min(len(added), len(core) // SHARE)
    if width < LEAST:
        return 0.0
    found = []
    for before, behind in zip(_columns(core), _columns(added), strict=True):
        ends = range(len(before), 2 * width - 1, -width)
        drift = max(abs(_rank_z(before[end - 2 * width : end], width)) for end in ends)
        excess = _rank_z(np.concatenate([before[-width:], behind[:width]]), width) ** 2 - drift**2
        found.append(log10_normal(math.sqrt(max(0.0, excess))))
    return min(0.0, min(found) + math.log10(len(found)))


def _columns(marks: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """Length, whether it is ASCII, and whether it is joined, of each token."""
    return [column.astype(np.int64) for column in (marks[:, 0] & MOST_LENGTH, marks[:, 1] == 0, marks[:, 2])]


def _rank_z(values: NDArray[np.int64], width: int) -> float:
    """Standardised rank sum of the first `width` of 2 `width` values among all; 0 without variance."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    variance = width * width / (2 * width * (2 * width - 1)) * float(np.square(ranks - ranks.mean()).sum())
    return 0.0 if variance <= 0 else (float(ranks[:width].sum()) - width * (2 * width + 1) / 2) / math.sqrt(variance)
