"""Quick search for merges of trimmed differences: which bases of a model are worth the full search."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from lineage.ancestry.merge.differences import trained_alike
from lineage.ancestry.merge.mixture import COPY, RELATED
from lineage.ancestry.merge.neighbours import Neighbours
from lineage.ancestry.merge.ratios import AROUND, SINGLE, grain, window_of
from lineage.types import Float64Array

_SAMPLE = 640  # sampled values
_BASES, _FEW_BASES = 8, 3  # central neighbours tried as bases; fewer in a large cohort of 16-bit models, which is slow
_LARGE = 300  # members above which a cohort is large
_CANDIDATES, _MANY = 14, 40  # candidates most similar to the child, for a central base and for one with equal values
_NEAREST = 10  # candidates nearest to the base
_EQUAL = 2  # bases that are tried first because most values equal theirs
_EQUAL_LEAST, _EQUAL_MOST = 0.004, 0.98  # share of values equal to a base's: less is chance, more is a copy
_ALIKE = 0.97  # cosine from which rounding to 16 bits hides the difference of two differences
_TOGETHER = 4  # ratios within one window that are beyond chance in float32
_WIDE = 8.0  # greatest absolute logarithm of a ratio that is considered


class Traces:
    """Ratios of differences between members, on a sample of their values."""

    def __init__(self, around: Neighbours) -> None:
        self._around = around
        places = np.flatnonzero(trained_alike(around.cohort))
        places = places[np.linspace(0, len(places) - 1, min(_SAMPLE, len(places))).astype(np.int64)]
        self._sample = np.ascontiguousarray(around.cohort.points[:, places])

    def bases(self, child: int, aside: Collection[int]) -> Iterator[tuple[int, list[int], float]]:
        """Bases whose difference to the child has a constant ratio to that of some candidate, likeliest first.

        Each comes with its candidates and the relative rounding error of the child's type.
        """
        cohort = self._around.cohort
        rounding = grain(cohort.points[child][cohort.tensors == cohort.tensors[len(cohort.tensors) // 2]])
        most = _FEW_BASES if rounding > SINGLE and len(self._sample) > _LARGE else _BASES
        for base, count in self._ranked(child, aside, most).items():
            others, cosines = self._alike(child, base, aside, count)
            if len(others) < 2:
                continue
            if rounding > SINGLE and (self._around.distances[child, base] >= RELATED or cosines.max() > _ALIKE):
                continue
            moved = self._sample[child] - self._sample[base]
            theirs = self._sample[others] - self._sample[base]
            used = np.abs(moved) > 4 * rounding * np.abs(self._sample[child])
            used &= (self._sample[child] != 0.0) & (self._sample[base] != 0.0)
            if used.sum() >= _TOGETHER and _has_constant(moved[used], theirs[:, used], rounding):
                yield base, others, rounding

    def _ranked(self, child: int, aside: Collection[int], most: int) -> dict[int, int]:
        """Bases with the number of candidates to try: those with most equal values, then central neighbours."""
        others = [i for i in range(len(self._sample)) if i != child and i not in aside]
        points = self._around.cohort.points
        equal, in_all = ((held[others] == held[child]).mean(axis=1) for held in (self._sample, points))
        # Of models with equal samples (they may differ in tables only), the one with more of the child's values.
        order = np.lexsort((-in_all, -equal))[:_EQUAL]
        first = [others[k] for k in order if _EQUAL_LEAST <= equal[k] < _EQUAL_MOST]
        ranked = dict.fromkeys(first, _MANY)
        near = self._around.near(child, aside)
        if near:
            central = np.argsort(self._around.distances[np.ix_(near, near)].mean(axis=1), kind="stable")
            ranked |= {near[k]: _CANDIDATES for k in central[:most] if near[k] not in ranked}
        return ranked

    def _alike(self, child: int, base: int, aside: Collection[int], count: int) -> tuple[list[int], Float64Array]:
        """Candidates whose differences from the base are most similar to the child's, and the nearest; cosines."""
        apart = self._around.distances
        near = np.array([i for i in self._around.near(base, {child, *aside}) if apart[child, i] > COPY], np.int64)
        product = (apart[child, base] + apart[near, base] - apart[near, child]) / 2.0
        cosines = product / np.sqrt(np.maximum(apart[child, base] * apart[near, base], 1e-300))
        likest = np.argsort(-cosines, kind="stable")[:count]
        kept = np.array(list(dict.fromkeys([*likest, *range(min(_NEAREST, len(near)))])), np.int64)
        return [int(i) for i in near[kept]], cosines[kept]


def _has_constant(moved: Float64Array, theirs: Float64Array, rounding: float) -> bool:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(moved / theirs)
    logs[~np.isfinite(logs)] = np.nan
    window = window_of(rounding)
    if rounding == SINGLE:
        ordered = np.sort(logs, axis=1)  # NaN comes last
        return bool((ordered[:, _TOGETHER - 1 :] - ordered[:, : 1 - _TOGETHER] <= window).any())
    return any(_stands_out(row[np.abs(row) < _WIDE], window) for row in logs)


def _stands_out(logs: Float64Array, window: float) -> bool:
    """Whether some window holds clearly more than twice the number expected from its neighbourhood."""
    bins = np.bincount(np.floor((logs + _WIDE) / window).astype(np.int64), minlength=int(2 * _WIDE / window) + 1)
    pairs = bins[1:] + bins[:-1]
    around = np.convolve(bins, np.ones(2 * AROUND + 1), "same")[:-1] - pairs
    chance = np.maximum(around, 0.0) * 2.0 / (2 * AROUND - 1)
    return bool((pairs > 2.0 * chance + 6.0 * np.sqrt(chance + 1.0)).any())
