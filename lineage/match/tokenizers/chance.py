"""The overlap of independently trained tokenizers: shown beside every overlap, not used in decisions."""

from __future__ import annotations

from typing import NamedTuple


class UnrelatedOverlap(NamedTuple):
    """Of the vocabulary that shares more with the other, the share: the lower and upper twentieth, median, most."""

    low: float
    median: float
    high: float
    most: float


UNRELATED = UnrelatedOverlap(low=0.0, median=0.14, high=0.86, most=0.961)
"""Over 359 pairs of public tokenizers, as `scripts/check_tokenizers.py` measured them (docs/results.md)."""
