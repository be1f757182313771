"""Few-bit values: the levels of a matrix, the extent of one scale, and whether they are a rounding of other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.first_looks import FEW, RUN, look
from lineage.sketch.remembered import remembered
from lineage.sketch.stats import GROUP
from lineage.types import TensorSketch
from lineage.types.facts.schemes import FewBits, Levels

_FEWER = 0.9  # ratio of distinct values to those of the finer model: 0.55 for four-bit matrices that were missed
_MOST_LEVELS = 17  # 16 codes, and zero if it is not one of them
_MOST_BYTE_LEVELS = 257  # 256 codes, and zero if it is not one of them
_ON_LEVEL = 0.04  # tolerance in steps: dequantized values are rounded to half precision
_ON_CODE = 0.004  # tolerance as a share of the largest magnitude
_FITTING = 0.8  # least share of the runs: runs with an outlier or few levels do not show the step
_ORDERED = 0.9  # least share of the rows: rounding keeps the order of values, training does not
_HALF = 0.6  # of a step, a little above half: dequantized values are rounded once more
_MOST_MISSES = 0.015  # share of values beyond half a step: 0.004 if half precision blurred the levels
_PLAINLY = 0.02  # of a value that lies beyond half a step, as a share of it: ten times what half precision blurs
_CHANCE = 1  # values of a matrix so plainly beyond it: none in 34 copies, 2 and more in all with trained matrices
_LEAST_ROW = 16  # least length of a row for a step of 256 levels
LEAST_SPREAD = 0.4  # mean error in half steps: 0.5 of rounding, 0.36 of training that passes all other tests
_FIRST = 3  # values of a run that are tested first
_LEAST_GAPS = 6  # greatest number of steps in the smallest gap of a run

# Levels of the 4-bit floats: NF4 (Dettmers et al. 2023, appendix E) and E2M1 (OCP Microscaling Formats 1.0, 2023).
_CODES: Mapping[Levels, NDArray[np.float64]] = {
    "nf4": np.array(
        [
            -1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
            0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0,
        ]
    ),
    "fp4": np.array([-6.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]) / 6.0,
}  # fmt: skip

Values = NDArray[np.float64]


@remembered
def lattice(tensor: TensorSketch) -> FewBits | None:
    """The few-bit scheme of a matrix's values (for example int4 with one scale for 32 values), None for plain floats.

    Four bits show in runs of 16 neighbours, which have few distinct values; eight bits only over a whole row, by the
    count of levels made when the row was read. Runs go down the columns of a matrix that is stored transposed.
    """
    stats = tensor.stats
    scheme = _scheme_along(tensor, down=False) or _scheme_along(tensor, down=True)
    if scheme is not None:
        return scheme
    if 2 < stats.levels_group <= _MOST_LEVELS:
        return FewBits("int4")
    return FewBits("int8") if 2 < stats.levels_row <= _MOST_BYTE_LEVELS or _has_one_scale(tensor) else None


def has_fewer_values(mine: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    """Whether a matrix has so few distinct values that it may lie on levels that were not recognised."""
    return len(np.unique(mine)) <= _FEWER * len(np.unique(others))


def _scheme_along(tensor: TensorSketch, *, down: bool) -> FewBits | None:
    """The scheme of runs along the rows, or `down` the columns; None if these show none."""
    seen = look(tensor)
    if not (seen.few_down if down else seen.few_levels):
        return None
    runs = _runs(tensor, down=down)
    return _scheme(tensor, runs, down=down) if runs is not None and _has_few_levels(runs) else None


def _has_one_scale(tensor: TensorSketch) -> bool:
    """Whether rows too short to show a step, such as those of small kernels, lie on levels of the whole tensor."""
    if len(tensor.shape) < 2 or not prod(tensor.shape[1:]) < GROUP < tensor.values.size:
        return False
    values = tensor.values.reshape(1, -1).astype(np.float64)
    return len(np.unique(values)) < values.size and bool(_even(values, _MOST_BYTE_LEVELS).found.all())


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """How far values (n, m) lie from the next level, where they are on any; what is asked of few-bit values alone.

    If runs share a scale `down` the columns, all that follows is of the transposed matrix, as which others are read.

    `head` are the levels of the first 16 values of each row, at most 257, `row` those of all its values. `above` and
    `below` (n, 16) are the distances from the level of each of the first values to the next ones, as far as few levels
    tell them; `level` and `unit` (n, 16) say on which side of its level another value is.
    """

    head: _Scales
    row: _Scales
    level: Values
    unit: Values
    above: Values
    below: Values
    down: bool = False

    def misses(self, coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> float | None:
        """Share of the values, all as they were when this was found, that another level is nearer to: see `misses`."""
        coarse, fine = self._turned(coarse, fine)
        rounded, plain = coarse[:, :RUN].astype(np.float64), fine[:, :RUN].astype(np.float64)
        inside = np.where(is_outermost(rounded, plain), 0.0, np.abs(rounded - plain))
        near = inside.max(axis=1, initial=0.0) < _HALF * self.head.step
        in_order = np.take_along_axis(rounded, plain.argsort(axis=1), axis=1)
        ordered = (np.diff(in_order, axis=1) >= 0).all(axis=1)
        if not len(rounded) or float(np.where(self.head.found, near, ordered).mean()) <= _ORDERED:
            return None
        errors, beyond = self._errors(coarse, fine)
        if not errors.size:
            return 0.0
        chance, missed = _MOST_MISSES * errors.size, int((errors > 1.0).sum())
        is_plain = errors.mean() >= LEAST_SPREAD and missed <= chance + 3.0 * np.sqrt(chance)
        return missed / errors.size if is_plain and not is_plainly_off(beyond) else None

    def first_errors(self, coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> tuple[Values, Values]:
        """The errors and excesses of the first values of runs (see `_errors`) whose level is known and not cut."""
        coarse, fine = self._turned(coarse, fine)
        if coarse.shape[1] < RUN:
            return np.empty(0), np.empty(0)
        rounded, plain = coarse[:, :RUN].astype(np.float64), fine[:, :RUN].astype(np.float64)
        gaps = self._gaps(plain)[:, 0]
        told = np.isfinite(gaps) & ~is_outermost(rounded, plain)[:, 0]
        off, halves = np.abs(rounded - plain)[told, 0], gaps[told] / 2
        return off / halves, _excess(off, halves, plain[told, 0])

    def _turned(
        self, coarse: NDArray[np.float32], fine: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return (coarse.T, fine.T) if self.down else (coarse, fine)

    def _gaps(self, plain: Values) -> Values:
        """The distance from the level of each of the first values to the next one on the side of its fine value."""
        return np.where(plain[:, :RUN] / self.unit > self.level, self.above, self.below)

    def _errors(self, coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> tuple[Values, Values]:
        """Rounding errors in halves of the distance to the next level, of the values (n,) whose level is known.

        The second array (n,) is how far each value lies beyond that half, as a share of the value: below 0 within it,
        and for values beyond the outermost level, where some schemes cut off.

        Few levels show in the head of a row. Of many, 16 values miss most, so that the step comes out too wide; but
        then one scale holds for the row, where that is long enough.
        """
        rounded, plain = coarse.astype(np.float64), fine.astype(np.float64)
        gaps = self._gaps(plain)
        told = np.isfinite(gaps) & (gaps.shape[1] == RUN)
        whole = self.row.found & ~told.any(axis=1) & (rounded.shape[1] >= _LEAST_ROW)
        off = np.abs(rounded - plain)
        rows = np.broadcast_to(self.row.step[whole, None], off[whole].shape)
        halves = np.concatenate([gaps[told], rows.reshape(-1)]) / 2
        away = np.concatenate([off[:, :RUN][told], off[whole].reshape(-1)])
        cut = np.concatenate(
            [
                is_outermost(rounded[:, :RUN], plain[:, :RUN])[told],
                is_outermost(rounded[whole], plain[whole]).reshape(-1),
            ]
        )
        beyond = _excess(away, halves, np.concatenate([plain[:, :RUN][told], plain[whole].reshape(-1)]))
        return away / halves, np.where(cut, -1.0, beyond)


def _excess(off: Values, halves: Values, plain: Values) -> Values:
    """How far errors go beyond half the distance to the next level, as shares of the values."""
    return np.asarray((off - halves) / np.maximum(np.abs(plain), np.finfo(np.float64).tiny))


def is_plainly_off(beyond: Values) -> bool:
    """Whether values of a matrix lie so far beyond half a step, as shares of them (n,), that they were trained.

    A step that is not known exactly moves the places where rounding changes by a small share of the value.
    """
    return int((beyond > _PLAINLY).sum()) > _CHANCE


def is_outermost(coarse: Values, fine: Values) -> NDArray[np.bool_]:
    """Which fine values lie outside all coarse values of their row, (rows, columns)."""
    if not coarse.size:
        return np.zeros(coarse.shape, bool)
    return np.asarray((fine > coarse.max(axis=1, keepdims=True)) | (fine < coarse.min(axis=1, keepdims=True)))


@remembered
def steps(tensor: TensorSketch) -> Steps:
    """The steps of a matrix's sampled values: many others are compared with them."""
    down = shows_down(tensor)
    return replace(_steps(tensor.values.T if down else tensor.values), down=down)


def shows_down(tensor: TensorSketch) -> bool:
    """Whether the levels of a matrix show down its columns, and not along its rows."""
    return _scheme_along(tensor, down=False) is None and _scheme_along(tensor, down=True) is not None


def misses(coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> float | None:
    """Share of values that are nearer to another level; None if they are not a plain rounding of the others.

    After a plain rounding, no error in the first 16 values of a row exceeds half a step, unless the value was cut off
    at the outermost level; on uneven levels at least the order of values is kept. Neither holds after training on
    either side, or for schemes that compensate the errors of earlier columns (see `compensated`). Errors that are small
    compared with the steps come from light training that started on the levels: then nothing was rounded.
    """
    return _steps(coarse).misses(coarse, fine)


def is_rounding(coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    """Whether values of few levels are the plain rounding of others at the same positions (rows, columns)."""
    return misses(coarse, fine) is not None


def _steps(values: NDArray[np.float32]) -> Steps:
    rounded = values.astype(np.float64)
    head = rounded[:, :RUN]
    few = _even(head)
    level, unit, above, below = _coded_gaps(head)
    evenly = few.found
    level[evenly], unit[evenly] = 0.0, 1.0
    above[evenly] = below[evenly] = few.step[evenly, None]
    return Steps(_even(head, _MOST_BYTE_LEVELS), _even(rounded, _MOST_BYTE_LEVELS), level, unit, above, below)


def _coded_gaps(runs: Values) -> tuple[Values, Values, Values, Values]:
    """Levels of 4-bit floats: of each value (n, m) its level in steps, the step, the distances to the next levels.

    Distances are NaN off all levels, infinite beyond the outermost.
    """
    level, unit, above, below = np.zeros(runs.shape), np.ones(runs.shape), *np.full((2, *runs.shape), np.nan)
    for codes in _CODES.values():
        scales = _coded(runs, codes)
        at = np.flatnonzero(scales.found & np.isnan(above).all(axis=1))
        step = scales.step[at, None]
        nearest = np.abs(runs[at, :, None] / step[..., None] - codes).argmin(axis=-1)
        # Beyond the outermost levels lies none.
        edges = np.concatenate([[codes[0] - np.inf], codes, [codes[-1] + np.inf]])
        level[at], unit[at] = codes[nearest], step
        above[at] = (edges[nearest + 2] - edges[nearest + 1]) * step
        below[at] = (edges[nearest + 1] - edges[nearest]) * step
    return level, unit, above, below


def _runs(tensor: TensorSketch, *, down: bool) -> Values | None:
    """The first 16 values of every sampled row or column, (n, 16), without those of mostly zeros; None if not sampled.

    Columns are those of matrices only.
    """
    along = tensor.grid[0 if down else 1]
    if len(tensor.shape) < 2 or (down and len(tensor.shape) > 2) or len(along) < RUN or along[RUN - 1] != RUN - 1:
        return None
    runs = (tensor.values.T if down else tensor.values)[:, :RUN].astype(np.float64)
    live: Values = runs[(runs != 0).sum(axis=1) >= RUN / 2]
    return live


def _has_few_levels(runs: Values) -> bool:
    """Whether the non-zero values of a run repeat, as they do not in plain floats."""
    live = runs != 0
    shares = (_levels(runs) - ~live.all(axis=1)) / live.sum(axis=1)
    return len(shares) >= 2 and float(np.mean(shares)) < FEW


def _levels(runs: Values) -> NDArray[np.int64]:
    """The number of different values of each run, (n,)."""
    return np.asarray(1 + (np.diff(np.sort(runs, axis=1), axis=1) > 0).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class _Scales:
    """The levels of n runs: whole steps from `origin` (n,), or `codes` times `step` (n,).

    The step is NaN for runs without levels.
    """

    origin: Values
    step: Values
    codes: Values | None = None

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which runs have levels."""
        return np.isfinite(self.step)

    def of(self, runs: NDArray[np.bool_]) -> _Scales:
        """The scales of some of the runs."""
        return _Scales(self.origin[runs], self.step[runs], self.codes)

    def hits(self, values: Values) -> NDArray[np.bool_]:
        """Which values (n, m), each row on the scale of its run, lie on a level, (n, m)."""
        places = (values - self.origin[:, None]) / self.step[:, None]
        if self.codes is None:
            return np.asarray(np.abs(places - np.rint(places)) < _ON_LEVEL)
        return np.asarray(np.abs(places[..., None] - self.codes).min(axis=-1) < _ON_CODE)


def _scheme(tensor: TensorSketch, runs: Values, *, down: bool) -> FewBits | None:
    # Few even levels are also levels of a 4-bit float, which is reported only if many levels are in use.
    many = np.mean(_levels(runs)) >= RUN / 2
    for name, codes in (*(_CODES.items() if many else ()), ("int4", None)):
        scales = _even(runs) if codes is None else _coded(runs, codes)
        found = scales.of(scales.found)
        if len(found.step) >= _FITTING * len(runs):
            levels: Levels = name if codes is not None or _holds_zero(found) else "int4-offset"
            if levels == "fp4" or len(found.step) < tensor.values.shape[1 if down else 0]:
                return FewBits(levels)  # scales of E2M1 are powers of two: neighbouring runs share levels
            reach = _reach(tensor, found, down=down)
            return FewBits(levels, None if down and reach == 0 else reach)  # 0 is a row
    return None


def _even(runs: Values, most: int = _MOST_LEVELS) -> _Scales:
    """Even levels, at most `most` over the range of a run: the widest step that fits all values."""
    points = np.sort(runs, axis=1)
    gaps, span = np.diff(points, axis=1), points[:, -1] - points[:, 0]
    step = np.full(len(runs), np.nan)
    # Half precision splits equal levels: gaps far below the narrowest step are ignored.
    smallest = np.where(gaps > span[:, None] / (2 * most), gaps, np.inf).min(axis=1, initial=np.inf)
    several = ((gaps > 0).sum(axis=1) >= 2) & np.isfinite(smallest)
    for divisor in range(1, _LEAST_GAPS + 1):
        at = np.flatnonzero(several & np.isnan(step))
        steps = np.rint(divisor * span[at] / smallest[at])
        scales = _Scales(points[at, 0], span[at] / steps)
        fits = (steps < most) & scales.hits(points[at]).all(axis=1)
        step[at[fits]] = scales.step[fits]
    return _Scales(points[:, 0], step)


def _coded(runs: Values, codes: Values) -> _Scales:
    """Levels in fixed ratios: the largest magnitude of a run is taken as the largest code with which all values fit."""
    peak, origin = np.abs(runs).max(axis=1), np.zeros(len(runs))
    step = np.full(len(runs), np.nan)
    for code in np.unique(np.abs(codes[codes != 0]))[::-1]:
        at = np.flatnonzero(np.isnan(step) & (peak > 0))
        for columns in (slice(_FIRST), slice(None)):  # the first values exclude nearly all runs
            scales = _Scales(origin[at], peak[at] / code, codes)
            at = at[scales.hits(runs[at, columns]).all(axis=1)]
        step[at] = peak[at] / code
    return _Scales(origin, step, codes)


def _holds_zero(scales: _Scales) -> bool:
    offsets = scales.origin / scales.step
    return float(np.mean(np.abs(offsets - np.rint(offsets)) < _ON_LEVEL)) > _FITTING


def _reach(tensor: TensorSketch, scales: _Scales, *, down: bool) -> int:
    """How many values share one scale, 0 for a row: doubled while the sampled values beyond still lie on the levels."""
    columns, width = (tensor.grid[0], tensor.shape[0]) if down else (tensor.grid[1], int(np.prod(tensor.shape[1:])))
    values = tensor.values.T if down else tensor.values
    reach = RUN
    while reach < width:
        beyond = (columns >= reach) & (columns < 2 * reach)
        if not beyond.any() or scales.hits(values[:, beyond].astype(np.float64)).mean() < _FITTING:
            break
        reach *= 2
    return 0 if reach >= width else reach
