"""The formulas behind fixed tables, each recognised from the values that it makes.

Tolerances allow for storage in bfloat16 (relative rounding 2^-9) and refuse anything trained: every
test needs thousands of numbers, or an exact pattern, to agree. Each begins with a quick check of a few values that
what it looks for always passes: a checkpoint may have a hundred thousand tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from lineage.types import FloatArray
from lineage.types.facts.exclusions import FixedTable

_ROUNDING = 0.005
_WAVE_ROUNDING = 0.02  # three values divided by their window
_MIN_SIDE = 8
_BOXES = 64  # the fewest that any detector has
_LARGEST_LAG = 16  # boxes in one place
_GRID_ROUNDING = 0.125  # of the mean absolute deviation: 3% of trained values lie that close together
_LARGEST = 1e18  # squares beyond this leave float32


def formula_of(values: FloatArray) -> FixedTable | None:
    """The formula that makes `values` (any shape, float32), or None."""
    if values.size < 2:
        return None
    if np.all(values == values.flat[0]):
        return FixedTable("constant")
    squeezed = values.reshape([n for n in values.shape if n > 1])
    if squeezed.ndim == 2 and _is_causal_mask(squeezed):
        return FixedTable("causal-mask")
    if not np.abs(squeezed).max() < _LARGEST:
        return None
    tests = _VECTOR if squeezed.ndim == 1 else _MATRIX
    flat = squeezed.reshape(squeezed.shape[0], -1) if squeezed.ndim > 1 else squeezed
    with np.errstate(all="ignore"):  # squares of tiny values vanish, sums of many large ones leave float32
        return next((reason for reason, test in tests if test(flat)), None)


def formula_of_rows(rows: FloatArray) -> FixedTable | None:
    """The formula that makes each of some rows (n, m) of a tensor on its own, or None."""
    with np.errstate(all="ignore"):
        return FixedTable("constant-q-basis") if _is_constant_q_basis(rows) else None


def _is_causal_mask(values: FloatArray) -> bool:
    n, m = values.shape
    if n != m or n < 3 or values[0, 1] != values[0, 2] or values[0, 0] != values[1, 0]:
        return False
    upper = values[np.triu_indices(n, 1)]
    lower = values[np.tril_indices(n)]
    return bool((upper == upper[0]).all() and (lower == lower[0]).all())


def _is_count(v: FloatArray) -> bool:
    """Consecutive or non-decreasing integers: ids, offsets, bucket borders."""
    if v.size < 3 or not float(v[0]).is_integer() or not np.array_equal(v, np.round(v)):
        return False
    steps = np.diff(v)
    return bool((steps == steps[0]).all() or (v.size >= _MIN_SIDE and (steps >= 0).all()))


def _is_ramp(v: FloatArray) -> bool:
    if v.size < _MIN_SIDE:
        return False
    line = np.linspace(v[0], v[-1], v.size)
    return bool(np.abs(v - line).max() <= 1e-4 * np.abs(v[-1] - v[0]))


def _is_geometric(v: FloatArray) -> bool:
    """Rotary inverse frequencies base^(-2i/d), ALiBi slopes: the logarithms lie on a line."""
    if v.size < _MIN_SIDE or not (v > 0).all():
        return False
    logs = np.log(v)
    line = np.linspace(logs[0], logs[-1], v.size)
    return bool(abs(logs[-1] - logs[0]) > 1 and np.abs(logs - line).max() <= _ROUNDING)


def _is_window(v: FloatArray) -> bool:
    """Hann, Hamming or Blackman, symmetric or periodic, at any scale."""
    n = v.size
    if n < 2 * _MIN_SIDE or abs(v[0]) > 0.1 * np.abs(v).max():  # Hamming's begins at .08
        return False
    windows = [make(n + extra)[:n] for make in (np.hanning, np.hamming, np.blackman) for extra in (0, 1)]
    return any(_is_multiple(v, window) for window in windows)


def _is_multiple(v: FloatArray, of: FloatArray) -> bool:
    scale = float(v @ of) / float(of @ of)
    return bool(scale != 0 and np.abs(v - scale * of).max() <= _ROUNDING * np.abs(v).max())


def _is_one_hot(m: FloatArray) -> bool:
    """Identity, permutation or selection: one equal entry a row, nothing else."""
    if m.size < 9 or np.count_nonzero(m[0]) != 1:
        return False
    rows, columns = np.nonzero(m)
    entries = m[rows, columns]
    return bool(rows.size == m.shape[0] and np.array_equal(rows, np.arange(m.shape[0])) and np.ptp(entries) == 0)


def _is_zero_one(m: FloatArray) -> bool:
    return bool(m.size >= 16 and m[0, 0] in (0.0, 1.0) and ((m == 0) | (m == 1)).all())


def _is_index(m: FloatArray) -> bool:
    """Positions repeated along one axis."""
    return any(_is_count(side[0]) and (side == side[0]).all() for side in (m, m.T))


def _is_sinusoidal(m: FloatArray) -> bool:
    """Tables of sines and cosines of positions: every pair of columns (sin, cos) lies on one circle.

    Pairs are neighbours (Vaswani 2017), the two halves (tensor2tensor, Whisper), or the two halves of
    each half (two-dimensional positions, MAE). One row of zeros for padding or a class is allowed.
    """
    if m.shape[1] % 4 or m.shape[1] < _MIN_SIDE or m.shape[0] < _MIN_SIDE:
        return False
    if not _may_lie_on_circles((m[0] if m[0].any() else m[1]).tolist()):
        return False
    zero = ~m.any(axis=1)
    if zero.sum() > 1 or m.shape[0] - zero.sum() < _MIN_SIDE:
        return False
    rows = m[~zero]
    return _lie_on_circles(rows[:_MIN_SIDE]) and _lie_on_circles(rows) and _has_many_levels(rows)


def _lie_on_circles(rows: FloatArray) -> bool:
    halves, quarters = np.split(rows, 2, axis=1), np.split(rows, 4, axis=1)
    pairings = (
        (rows[:, ::2], rows[:, 1::2]),
        (halves[0], halves[1]),
        (np.hstack(quarters[::2]), np.hstack(quarters[1::2])),
    )
    return any(_is_circle(np.hypot(a, b)) for a, b in pairings)


def _may_lie_on_circles(row: list[float]) -> bool:
    """Whether the first two pairs of a row, in any pairing, are about equally far from zero."""
    half, quarter = len(row) // 2, len(row) // 4
    pairings = ((row[:2], row[2:4]), (row[::half], row[1::half]), (row[: quarter + 1 : quarter], row[1::quarter][:2]))
    return any(_are_close(math.hypot(*one), math.hypot(*other)) for one, other in pairings)


def _are_close(a: float, b: float) -> bool:
    """Whether these can be two of many values that all lie within two roundings of the largest."""
    return abs(a - b) <= 2.1 * _ROUNDING * max(abs(a), abs(b))


def _is_circle(radius: FloatArray) -> bool:
    return bool(np.ptp(radius) <= 2 * _ROUNDING * radius.max())


def _has_many_levels(m: FloatArray) -> bool:
    return np.unique(np.abs(m)).size > 4 * _MIN_SIDE


def _is_fourier_basis(m: FloatArray) -> bool:
    """Windowed cosines and sines (STFT, DFT): |cos row + i sin row| is one window, up to a scale a row.

    Rows are the cosines and then the sines, or the two in turn; columns are samples.
    """
    if m.shape[0] % 2 or m.shape[0] < _MIN_SIDE or m.shape[1] < _MIN_SIDE:
        return False
    if not _may_have_one_window(m):
        return False
    glance = m[:, :: max(1, m.shape[1] // _MIN_SIDE)]
    return _has_one_window(glance) and _has_one_window(m) and _has_many_levels(m)


def _has_one_window(m: FloatArray) -> bool:
    half = m.shape[0] // 2
    return _is_rank_one(np.hypot(m[:half], m[half:])) or _is_rank_one(np.hypot(m[::2], m[1::2]))


def _may_have_one_window(m: FloatArray) -> bool:
    """Whether two rows of moduli, in either order of rows, can be those of a matrix near one of rank one.

    If all entries are within e of such a matrix and none exceeds p, no minor of two exceeds 4 e (p + e) + 2 e**2.
    """
    half = m.shape[0] // 2
    peak = math.sqrt(2.0) * float(np.abs(m).max())
    most = 4.1 * _ROUNDING * (1.0 + _ROUNDING) * peak**2
    rows = [m[i, : _MIN_SIDE // 2].tolist() for i in (0, 1, 2, 3, half, half + 1)]
    for one, two in ((rows[::4], rows[1::4]), (rows[:2], rows[2:4])):
        first, second = (list(map(math.hypot, *pair)) for pair in (one, two))
        if all(abs(first[0] * b - second[0] * a) <= most for a, b in zip(first[1:], second[1:], strict=True)):
            return True
    return False


def _is_rank_one(moduli: FloatArray) -> bool:
    window = moduli.sum(axis=0)
    if not window.any():
        return False
    scales = moduli @ window / float(window @ window)
    return bool(np.abs(moduli - np.outer(scales, window)).max() <= _ROUNDING * moduli.max())


def _is_cosine_basis(m: FloatArray) -> bool:
    """The DCT-II matrix, each row at its own scale."""
    if min(m.shape) < _MIN_SIDE or not _are_close(float(m[0, 0]), float(m[0, 1])):
        return False
    n = np.arange(m.shape[1])
    return all(_is_multiple(row, np.cos(np.pi / n.size * (n + 0.5) * k)) for k, row in enumerate(m))


def _is_filterbank(m: FloatArray) -> bool:
    """Mel filters: sparse, never negative, each a single hill, the hills in ascending order."""
    if m.shape[1] < 2 * _MIN_SIDE or (m < 0).any() or (m == 0).mean() < 0.5:
        return False
    filled = m[m.any(axis=1)]
    if len(filled) < _MIN_SIDE:
        return False
    peaks = filled.argmax(axis=1)
    return bool((np.diff(peaks) >= 0).all() and np.ptp(peaks) > 0 and all(map(_is_hill, filled, peaks)))


def _is_hill(row: FloatArray, peak: int) -> bool:
    support = np.flatnonzero(row)
    contiguous = support.size == support[-1] - support[0] + 1
    return bool(contiguous and (np.diff(row[: peak + 1]) >= 0).all() and (np.diff(row[peak:]) <= 0).all())


def _is_boxes(m: FloatArray) -> bool:
    """Prior boxes or the places of a grid, two to four numbers each, which grow by one step from cell to cell."""
    if not 2 <= m.shape[1] <= 4 or len(m) < _BOXES or np.count_nonzero(m) < m.size / 2:
        return False
    return all(any(_goes_on(column, lag) for lag in range(1, _LARGEST_LAG + 1)) for column in m.T)


def _goes_on(v: FloatArray, lag: int) -> bool:
    """Whether the value `lag` places on is mostly larger by one step; at borders and from scale to scale it jumps."""
    spread = float(np.abs(v - v.mean()).mean())
    steps = np.rint((v[lag:] - v[:-lag]) / (_GRID_ROUNDING * spread or 1.0))
    return bool(np.unique(steps, return_counts=True)[1].max() > steps.size / 2)


def _is_constant_q_basis(m: FloatArray) -> bool:
    """Waves of ascending frequency, each under a Hann window of its own length (constant-Q, Gabor)."""
    if len(m) < _MIN_SIDE or _frequency(m[-1]) is None:
        return False
    found = [frequency for row in m if (frequency := _frequency(row)) is not None]
    steps = np.diff(found)
    return len(found) == len(m) and bool((steps > 0).all() or (steps < 0).all())


def _frequency(row: FloatArray) -> float | None:
    """The angle a sample of a wave under a Hann window, None for anything else.

    A wave without its window follows x[i-1] + x[i+1] = 2 cos(angle) x[i] (Prony 1795).
    """
    support = np.flatnonzero(row)
    if support.size < 2 * _MIN_SIDE:
        return None
    held = row[support[0] : support[-1] + 1].astype(np.float64)
    window = _hann(held.size)
    wave = (held / window)[window > 0.2]
    inner, beside = wave[1:-1], wave[:-2] + wave[2:]
    double_cosine = float(inner @ beside) / float(inner @ inner)
    left = np.linalg.norm(beside - double_cosine * inner)
    fits = left <= _WAVE_ROUNDING * np.linalg.norm(inner) and abs(double_cosine) < 2
    return math.acos(double_cosine / 2) if fits else None


@lru_cache(maxsize=8)
def _hann(size: int) -> FloatArray:
    """A Hann window without the zeros at its ends."""
    return np.hanning(size + 2)[1:-1]


def _either_way(test: Callable[[FloatArray], bool]) -> Callable[[FloatArray], bool]:
    return lambda m: test(m) or test(m.T)


_VECTOR: tuple[tuple[FixedTable, Callable[[FloatArray], bool]], ...] = (
    (FixedTable("counter-or-positions"), _is_count),
    (FixedTable("evenly-spaced"), _is_ramp),
    (FixedTable("geometric-series"), _is_geometric),
    (FixedTable("window"), _is_window),
)
_MATRIX: tuple[tuple[FixedTable, Callable[[FloatArray], bool]], ...] = (
    (FixedTable("one-hot"), _either_way(_is_one_hot)),
    (FixedTable("zero-one-mask"), _is_zero_one),
    (FixedTable("position-ids"), _is_index),
    (FixedTable("sinusoidal-positions"), _is_sinusoidal),
    (FixedTable("stft-basis"), _either_way(_is_fourier_basis)),
    (FixedTable("cosine-basis"), _either_way(_is_cosine_basis)),
    (FixedTable("mel-filterbank"), _either_way(_is_filterbank)),
    (FixedTable("constant-q-basis"), _is_constant_q_basis),
    (FixedTable("prior-boxes"), _either_way(_is_boxes)),
)
