"""Eight-bit lattices blurred by a narrow type: detection in one matrix, and comparison with its unrounded source.

bfloat16 moves every level by up to half a unit in its last place, at level 127 by a quarter of a step and more. Small
values still lie near whole steps, and the largest is a whole number of steps. That leaves a few hundred steps to try;
the probability that plain values fit one of them by chance is the product of their tolerances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.first_looks import look
from lineage.ancestry.pair.lattices import LEAST_SPREAD, is_outermost, is_plainly_off
from lineage.ancestry.pair.narrow_types import SIGNIFICANDS, narrow_types, rounded
from lineage.sketch.remembered import remembered
from lineage.types import Float64Array, TensorSketch
from lineage.types.facts.schemes import BlurredLevels

_TYPES = ("bfloat16", "float16")
_RUN = 16  # the first positions of an axis are all sampled: the head of a run
_CODES = np.arange(1.0, 256.0)  # of the largest value, in a byte with any zero point
_LEAST_ZEROS = 5e-4  # values within half a step are rounded to zero: 0.3% of a normal row that reaches 12 sigma
_FLOATS = np.arange(8.0, 16.0)  # the significands of E4M3, without its few subnormal numbers
_OFFSETS = 2  # candidates on either side of a step, spread over half a unit in the last place
_FITTING = 0.9  # least share of the runs that fit: most others are too short for a step
_MOST_OFF = 0.1  # share of the values of E4M3 that may be subnormal
_MOST_SMALL = 0.75  # least share of the small values of E4M3 that must fit
_SURE = 0.45  # of a step: a value blurred by less has a known level
_CHANCE = -20.0  # log10 of the probability of a chance fit: five layouts of 1e12 matrices leave 1e-7
_LEAST = 8  # least number of non-zero values of a run
_MOST_MISSES = 0.03  # share of the values that may differ from the rounded source

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Blurred:
    """Levels at whole multiples of a step, or (`floats`) at the numbers of E4M3 times it, rounded to type `narrow`.

    `steps` (runs,) float64 is NaN for runs without a step; `layout` is how runs lie in the sampled values.
    """

    floats: bool
    narrow: str
    layout: str
    steps: Float64Array

    @property
    def scheme(self) -> BlurredLevels:
        """The scheme: the kind of levels, the extent of one scale, and the type that blurred them."""
        return BlurredLevels("float8_e4m3fn" if self.floats else "int8", _SCALES[self.layout], self.narrow)

    def agreement(self, coarse: Values, fine: Values) -> float:
        """Share of coarse values (those of the sketch) that equal the fine ones rounded to these levels."""
        x, y = _laid_out(coarse, self.layout), _laid_out(fine, self.layout).astype(np.float64)
        told = np.isfinite(self.steps)
        places = y[told] / self.steps[told, None]
        levels = _nearest(places, self.floats)
        made = rounded((levels * self.steps[told, None]).astype(np.float32), self.narrow)
        return float((made == x[told]).mean()) if told.any() else 0.0

    def spread(self, fine: Values) -> float:
        """Mean distance of values from these levels, in half distances between levels: 0.5 for unrelated values."""
        y = _laid_out(fine, self.layout).astype(np.float64)
        told = np.isfinite(self.steps)
        places = y[told] / self.steps[told, None]
        spacing = _spacing(np.abs(places), 1.0, self.floats)
        return float(2 * (np.abs(places - _nearest(places, self.floats)) / spacing).mean()) if told.any() else 0.0

    def beyond(self, coarse: Values, fine: Values) -> Float64Array:
        """How far fine values lie beyond half the distance to the next level, as shares of them, (n,); below 0 within.

        The level is the one on which the coarse value lies; beyond the outermost, values may have been cut off.
        """
        x, y = (_laid_out(values, self.layout).astype(np.float64) for values in (coarse, fine))
        told = np.isfinite(self.steps)
        level, place = _nearest(x[told] / self.steps[told, None], self.floats), y[told] / self.steps[told, None]
        off = np.abs(place - level) - _spacing(np.abs(level), 1.0, self.floats) / 2
        share = off / np.maximum(np.abs(place), np.finfo(np.float64).tiny)
        return np.where(is_outermost(x[told], y[told]), -1.0, share).reshape(-1)


_SCALES: Mapping[str, Literal["tensor", "row", "column", "part-of-row", "part-of-column"]] = {
    "tensor": "tensor",
    "rows": "row",
    "columns": "column",
    "row heads": "part-of-row",
    "column heads": "part-of-column",
}


@remembered
def blurred(tensor: TensorSketch) -> Blurred | None:
    """The blurred lattice of a matrix's sampled values; None for plain floats and types not of 16 bits."""
    if len(tensor.shape) < 2:
        return None
    has_zeros, repeats = tensor.stats.zeros > _LEAST_ZEROS, look(tensor).few_significands
    if not has_zeros and not repeats:
        return None
    narrow = next((name for name in _TYPES if name in narrow_types(tensor)), None)
    if narrow is None:
        return None
    found = (_found(tensor, floats, narrow) for floats, look in ((False, has_zeros), (True, repeats)) if look)
    return next((one for one in found if one is not None), None)


def is_blurred_rounding(levels: Blurred, coarse: Values, fine: Values) -> bool:
    """Whether values on such levels are a rounding of others at the same positions (rows, columns), bit for bit."""
    return blurred_misses(levels, coarse, fine) is not None


def blurred_misses(levels: Blurred, coarse: Values, fine: Values) -> float | None:
    """Share of values on such levels that differ from the rounded values of the others at the same positions.

    Both are (rows, columns). None if the others were not rounded to these levels. The step is known to a few
    thousandths, so at the outer levels up to 2% of the values fall on the next level. If the fine values lie close to
    the levels, they were trained from the coarse ones, not rounded to them.
    """
    missed = 1.0 - levels.agreement(coarse, fine)
    is_plain = missed <= _MOST_MISSES and levels.spread(fine) >= LEAST_SPREAD
    return missed if is_plain and not is_plainly_off(levels.beyond(coarse, fine)) else None


def _found(tensor: TensorSketch, floats: bool, narrow: str) -> Blurred | None:
    """The lattice in the first layout in which the values fit beyond chance, widest scale first; None without one."""
    for layout in _SCALES:
        runs = _laid_out(tensor.values, layout).astype(np.float64)
        live = np.flatnonzero((runs != 0).sum(axis=1) >= _LEAST)
        if len(live) < (1 if layout == "tensor" else 2):
            continue
        steps, chance = np.full(len(runs), np.nan), 0.0
        fitting = len(live)
        for run in live.tolist():
            steps[run], log_p = _step(runs[run], floats, narrow)
            chance += log_p
            fitting -= not np.isfinite(steps[run])
            if fitting < _FITTING * len(live):
                break
        if fitting >= _FITTING * len(live) and chance < _CHANCE:
            return Blurred(floats, narrow, layout, steps)
    return None


def _laid_out(values: Values, layout: str) -> Values:
    """The runs that share a scale, one per row, (runs, values)."""
    if layout == "tensor":
        return values.reshape(1, -1)
    turned = values.T if layout.startswith("column") else values
    return turned[:, :_RUN] if layout.endswith("heads") else turned


def _step(run: Float64Array, floats: bool, narrow: str) -> tuple[float, float]:
    """The widest step whose levels fit all values of a run, and log10 of the probability of such a fit by chance.

    NaN and 0 if no step fits.
    """
    x = np.abs(run[run != 0])
    half = _half_units(x, narrow)
    peak = int(x.argmax())
    shifts = np.arange(-_OFFSETS, _OFFSETS + 1) / _OFFSETS * half[peak]
    candidates = ((x[peak] + shifts) / (_FLOATS if floats else _CODES)[:, None]).reshape(-1)
    slack = half + x * (half[peak] / x[peak] / _OFFSETS / 2)
    order = x.argsort()  # small values are the most informative
    few = order[: _RUN // 2]
    least = (1.0 - _MOST_OFF) if floats else 1.0
    kept = candidates
    if floats:
        kept = kept[_fit(x[few], slack[few], kept, floats) >= _MOST_SMALL]
    else:
        for one in few.tolist():  # one after the other: each excludes most steps
            kept = kept[np.abs(np.rint(x[one] / kept) * kept - x[one]) <= slack[one]]
    if len(kept):
        kept = kept[_fit(x, slack, kept, floats) >= least]
    if not len(kept):
        return np.nan, 0.0
    step = next((fine for one in -np.sort(-kept) if (fine := _refined(x, half, float(one), floats))), 0.0)
    if not step:
        return np.nan, 0.0
    spacing = _spacing(x, step, floats)
    log_p = np.log10(np.minimum(1.0, 2.0 * slack / spacing)).sum() * least + np.log10(len(candidates))
    return step, min(0.0, float(log_p))


def _half_units(x: Float64Array, narrow: str) -> Float64Array:
    """Half the spacing of the narrow type's numbers at each value."""
    _, exponents = np.frexp(x)
    least = -24 if narrow == "float16" else -133
    return np.asarray(np.ldexp(0.5, np.maximum(exponents - 1 - SIGNIFICANDS[narrow], least)))


def _nearest(places: Float64Array, floats: bool) -> Float64Array:
    return _to_float(places) if floats else np.asarray(np.rint(places))


def _to_float(places: Float64Array) -> Float64Array:
    """Rounded to four significant bits."""
    parts, exponents = np.frexp(places)
    return np.asarray(np.ldexp(np.rint(parts * 16.0) / 16.0, exponents))


def _spacing(x: Float64Array, step: float, floats: bool) -> Float64Array:
    return np.asarray(np.ldexp(step, np.frexp(x / step)[1] - 4)) if floats else np.full(x.shape, step)


def _fit(x: Float64Array, slack: Float64Array, steps: Float64Array, floats: bool) -> Float64Array:
    """Share of the values (n,) that lie within `slack` of a level, for each step (m,)."""
    levels = _nearest(x / steps[:, None], floats) * steps[:, None]
    return np.asarray((np.abs(levels - x) <= slack).sum(axis=1) / len(x))


def _refined(x: Float64Array, half: Float64Array, step: float, floats: bool) -> float:
    """The middle of the range of steps at which every level rounds to its value; 0 if the range is empty."""
    levels = _nearest(x / step, floats)
    told = (levels > 0) & (half < _SURE * _spacing(x, step, floats)) & (np.abs(levels * step - x) <= 2 * half)
    if not told.any():
        return 0.0
    low, high = ((x - half)[told] / levels[told]).max(), ((x + half)[told] / levels[told]).min()
    return float((low + high) / 2) if low <= high else 0.0
