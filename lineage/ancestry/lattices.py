"""Few-bit values: on which levels the runs of a matrix lie, how far one scale reaches, what they were rounded from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.types import TensorSketch

_RUN = 16  # the first positions of an axis are all sampled: the head of a run
_MOST_LEVELS = 17
_MOST_BYTE_LEVELS = 257
_FEW = 0.8  # distinct share of the values of a run: 0.6-0.75 on 16 levels, 0.95 and more without
_ON_LEVEL = 0.04  # of a step: half precision rounds what was dequantised
_ON_CODE = 0.004  # of the largest magnitude
_FITTING = 0.8
_ORDERED = 0.9
_HALF = 0.6  # of a step: what was dequantised is rounded once more
_LEAST_GAPS = 6  # the smallest gap of a run is a few steps at most

# Levels of the 4-bit floats: NF4 (Dettmers et al. 2023, appendix E) and E2M1 (OCP Microscaling Formats 1.0, 2023).
_CODES = {
    "nf4": np.array(
        [
            -1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
            0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0,
        ]
    ),
    "fp4": np.array([-6.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]) / 6.0,
}  # fmt: skip

Values = NDArray[np.float64]


@lru_cache(maxsize=4096)  # asked for in every comparison of a model
def lattice(tensor: TensorSketch) -> str | None:
    """The few-bit scheme that a matrix's values show ("int4, one scale for 32"), None for plain floats.

    Four bits show in runs of 16 neighbours, of which few are distinct; eight only over a whole row, by the count of
    levels that was taken when the row was read.
    """
    stats = tensor.stats
    runs = _runs(tensor)
    if runs is not None and _has_few_levels(runs):
        return _scheme(tensor, runs)
    if 2 < stats.levels_group <= _MOST_LEVELS:
        return "int4"
    return "int8" if 2 < stats.levels_row <= _MOST_BYTE_LEVELS else None


def is_rounding(coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    """Whether values of few levels are the plain rounding of others at the same positions (rows, columns).

    In the head of a row no error is larger than half a step of its levels; levels that are not even keep the order at
    least. Training on either side, and schemes that make up for the errors of earlier columns, do neither.
    """
    kept = []
    for rounded, plain in zip(coarse[:, :_RUN].astype(np.float64), fine[:, :_RUN].astype(np.float64), strict=True):
        scale = _even(rounded, _MOST_BYTE_LEVELS)
        if scale is not None:
            kept.append(bool(np.abs(rounded - plain).max() < _HALF * scale.step))
        else:
            kept.append(bool((np.diff(rounded[np.argsort(plain)]) >= 0).all()))
    return bool(kept) and float(np.mean(kept)) > _ORDERED


def _runs(tensor: TensorSketch) -> Values | None:
    """The first 16 values of every sampled row, those of nothing but zeros left out."""
    columns = tensor.grid[1]
    if len(tensor.shape) < 2 or len(columns) < _RUN or columns[_RUN - 1] != _RUN - 1:
        return None
    runs = tensor.values[:, :_RUN].astype(np.float64)
    live: Values = runs[(runs != 0).sum(axis=1) >= _RUN / 2]
    return live


def _has_few_levels(runs: Values) -> bool:
    """Whether the non-zero values of a run repeat, as they do not in plain floats."""
    shares = [len(np.unique(run[run != 0])) / (run != 0).sum() for run in runs]
    return len(shares) >= 2 and float(np.mean(shares)) < _FEW


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where the levels of one run lie: at whole steps from `origin`, or at `codes` times the step."""

    origin: float
    step: float
    codes: Values | None = None

    def hits(self, values: Values) -> NDArray[np.bool_]:
        """Which values lie on a level."""
        places = (values - self.origin) / self.step
        if self.codes is None:
            return np.asarray(np.abs(places - np.rint(places)) < _ON_LEVEL)
        return np.asarray(np.abs(places[:, None] - self.codes).min(axis=1) < _ON_CODE)


def _scheme(tensor: TensorSketch, runs: Values) -> str | None:
    # Few even levels are also levels of a 4-bit float: that is said only where many are in use.
    many = np.mean([len(np.unique(run)) for run in runs]) >= _RUN / 2
    for name, codes in (*(_CODES.items() if many else ()), ("int4", None)):
        scales = [_even(run) if codes is None else _coded(run, codes) for run in runs]
        found = [scale for scale in scales if scale is not None]
        if len(found) >= _FITTING * len(runs):
            levels = name if codes is not None or _holds_zero(found) else "4-bit with offsets"
            if levels == "fp4" or len(found) < len(tensor.values):
                return levels  # scales of E2M1 are powers of two: neighbouring runs share levels
            return levels + _reach(tensor, found)
    return None


def _even(run: Values, most: int = _MOST_LEVELS) -> _Scale | None:
    """Even levels, at most `most` from the smallest to the largest value: the widest step that all values fit."""
    points = np.unique(run)
    if len(points) < 3:
        return None
    gaps, span = np.diff(points), points[-1] - points[0]
    # Half precision parts equal levels: gaps far below the narrowest step are none.
    smallest = gaps[gaps > span / (2 * most)].min()
    for divisor in range(1, _LEAST_GAPS + 1):
        steps = np.rint(divisor * span / smallest)
        scale = _Scale(float(points[0]), float(span / steps))
        if steps < most and scale.hits(points).all():
            return scale
    return None


def _coded(run: Values, codes: Values) -> _Scale | None:
    """Levels in fixed ratios: the largest magnitude is one of them."""
    peak = np.abs(run).max()
    for code in np.unique(np.abs(codes[codes != 0]))[::-1]:
        scale = _Scale(0.0, float(peak / code), codes)
        if scale.hits(run).all():
            return scale
    return None


def _holds_zero(scales: Sequence[_Scale]) -> bool:
    offsets = [scale.origin / scale.step for scale in scales]
    return float(np.mean([abs(o - round(o)) < _ON_LEVEL for o in offsets])) > _FITTING


def _reach(tensor: TensorSketch, scales: Sequence[_Scale]) -> str:
    """How many values share one scale: doubled as long as the sampled ones beyond still lie on the levels."""
    columns, width = tensor.grid[1], int(np.prod(tensor.shape[1:]))
    reach = _RUN
    while reach < width:
        beyond = (columns >= reach) & (columns < 2 * reach)
        values = tensor.values[:, beyond].astype(np.float64)
        if not beyond.any() or np.mean([s.hits(v).mean() for s, v in zip(scales, values, strict=True)]) < _FITTING:
            break
        reach *= 2
    return ", one scale a row" if reach >= width else f", one scale for {reach}"
