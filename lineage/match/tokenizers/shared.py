"""The common part of two samples of least hash, which is a sample of what two vocabularies share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.types import Neighbours, TokenizerSketch


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Places in the samples of two sketches, `a` and `b` (m,) int64 of the tokens of both, in the order of ids in A.

    `only_a` and `only_b` are places of the tokens of one alone, in the order of ids; `fraction` is the share of all
    tokens that lies in the common sample, so that a count over it estimates one of all.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    only_a: NDArray[np.int64]
    only_b: NDArray[np.int64]
    fraction: float

    def of_all(self, count: int) -> int:
        """Estimate how many tokens of all a number of sampled ones stands for."""
        return round(count / self.fraction)


def shared_sample(a: TokenizerSketch, b: TokenizerSketch) -> Shared:
    """Cut two samples to the hashes that lie in the range of both (Broder 1997; Cohen and Kaplan 2007)."""
    limit = min(_reach(a), _reach(b))
    left, right = (int(np.searchsorted(s.hashes, np.uint64(limit), side="right")) for s in (a, b))
    _, at_a, at_b = np.intersect1d(a.hashes[:left], b.hashes[:right], assume_unique=True, return_indices=True)
    order = np.argsort(a.ids[at_a], kind="stable")
    return Shared(
        at_a[order],
        at_b[order],
        _rest(a, left, at_a),
        _rest(b, right, at_b),
        (limit + 1) / 2**64,
    )


def neighbours(a: TokenizerSketch, b: TokenizerSketch) -> Neighbours:
    """At how many anchors of both the next ordinary token of one is among the next six of the other.

    Six, since of a pruned vocabulary the next may be gone. Anchors with nothing behind them do not count.
    """
    _, at_a, at_b = np.intersect1d(
        a.hashes[: len(a.runs)], b.hashes[: len(b.runs)], assume_unique=True, return_indices=True
    )
    left, right = a.runs[at_a], b.runs[at_b]
    inside = (left[:, 0] != 0) & (right[:, 0] != 0)
    kept = (left == right[:, :1]).any(axis=1) | (right == left[:, :1]).any(axis=1)
    return Neighbours(int(np.sum(kept & inside)), int(np.sum(inside)))


def _reach(sketch: TokenizerSketch) -> int:
    """The largest hash that the sample would hold: the last of a full one, any of a whole vocabulary."""
    return int(sketch.hashes[-1]) if sketch.ordinary > len(sketch.hashes) else 2**64 - 1


def _rest(sketch: TokenizerSketch, stop: int, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    rest = np.setdiff1d(np.arange(stop), taken, assume_unique=True)
    return rest[np.argsort(sketch.ids[rest], kind="stable")]
