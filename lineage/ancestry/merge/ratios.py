"""Constant ratios: many values of one difference are the same multiple of those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

SINGLE, HALF, BRAIN = 2.0**-24, 2.0**-11, 2.0**-8  # largest relative rounding error of float32, float16, bfloat16
AROUND = 3  # windows on either side from which the chance count of a window is estimated
_LEAST = 8  # values that must agree: fewer do so by chance


def grain(values: Values) -> float:
    """Largest relative rounding error of the type in which values of one tensor fit, up to a common factor.

    Significands of p bits lie 2**-p apart between 0.5 and 1, and as little as half of that after a multiplication.
    """
    significands = np.unique(np.round(np.frexp(np.abs(values[values != 0.0]))[0], 9))
    apart = float(np.diff(significands).min(initial=1.0))
    return next((rounding for rounding in (BRAIN, HALF) if apart > 0.45 * rounding), SINGLE)


def grain_of_first(values: Values, tensors: NDArray[np.int64]) -> float:
    """The same of the first tensor of a model, which stands for all: `tensors` (dims,) is the tensor of each value."""
    return grain(values[tensors == tensors[0]])


def window_of(rounding: float) -> float:
    """Relative width of the window that holds the ratios of one constant after such rounding."""
    return 25.0 * rounding if rounding > SINGLE else 500.0 * rounding


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant ratio: its value, and the number of ratios that have it in excess of chance."""

    value: float
    count: float


def constant_ratio(top: Values, bottom: Values, error: Values, window: float) -> Constant | None:
    """The most frequent positive value of `top / bottom`, all (dims,); None if chance gives as many.

    `error` (dims,) is the rounding error of `top`. Ratios of unrelated differences are spread smoothly, so the
    neighbourhood of a window gives the number that fall into it by chance (Poisson).
    """
    sharp = is_sharp(top, error, window)
    return sharp_ratio(top[sharp], bottom[sharp], window)


def is_sharp(top: Values, error: Values, window: float) -> NDArray[np.bool_]:
    """Which numerators are known well enough for a window."""
    return np.asarray(error <= 0.5 * window * np.abs(top))


def sharp_ratio(top: Values, bottom: Values, window: float) -> Constant | None:
    """The same of numerators that are known well enough."""
    used = bottom != 0.0
    if used.sum() < _LEAST:
        return None
    ratio = top[used] / bottom[used]
    return _peak(np.sort(np.log(ratio[ratio > 0.0])), window)


def _peak(logs: Values, window: float) -> Constant | None:
    if len(logs) < _LEAST:
        return None
    until = np.searchsorted(logs, logs + window, "right")
    counts = until - np.arange(len(logs))
    at = int(np.argmax(counts))
    low, high = logs[at] - AROUND * window, logs[at] + (1 + AROUND) * window
    around = int(np.searchsorted(logs, high, "right") - np.searchsorted(logs, low))
    chance = max(around - int(counts[at]), 0) / (2 * AROUND)
    excess = float(counts[at]) - chance
    if excess < max(_LEAST + 6.0 * np.sqrt(chance), chance):
        return None
    return Constant(float(np.exp(np.median(logs[at : until[at]]))), excess)
