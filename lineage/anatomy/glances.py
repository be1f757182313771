"""A glance at many tensors of one shape: which of them a formula of `generators` may have made.

Tables made by a formula always pass; about one in a hundred trained weights passes too and is then tested in full.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.types import FloatArray

_SLACK = 1.05  # over the tolerances of `generators`, which are taken in another precision
_ROUNDING = 0.005 * _SLACK
_WAVE_ROUNDING = 0.02 * _SLACK
_MIN_SIDE = 8
_BOXES = 64
_LARGEST = 1e18

Flags = NDArray[np.bool_]


def may_be_formulas(stack: FloatArray) -> Flags:
    """Whether a formula may have made each of the finite tensors of a stack, float32 (k, *shape); bool (k,)."""
    shape = [n for n in stack.shape[1:] if n > 1]
    if not shape:
        return np.zeros(len(stack), bool)
    flat = stack.reshape(len(stack), -1)
    is_constant = np.asarray((flat == flat[:, :1]).all(axis=1))
    peak = np.abs(flat).max(axis=1)
    with np.errstate(all="ignore"):
        found = _vectors(flat, peak) if len(shape) == 1 else _matrices(stack.reshape(len(stack), shape[0], -1), peak)
    masks = stack.reshape(len(stack), *shape)
    is_mask = _may_be_masks(masks) if len(shape) == 2 else is_constant
    return np.asarray(is_constant | is_mask | (found & (peak < _LARGEST)))


def _may_be_masks(m: FloatArray) -> Flags:
    if m.shape[1] != m.shape[2] or m.shape[1] < 3:
        return np.zeros(len(m), bool)
    return np.asarray((m[:, 0, 1] == m[:, 0, 2]) & (m[:, 0, 0] == m[:, 1, 0]))


def _vectors(v: FloatArray, peak: FloatArray) -> Flags:
    length = v.shape[1]
    found = np.asarray(v[:, 0] == np.rint(v[:, 0]))
    if length < _MIN_SIDE:
        return found
    first, last, middle = v[:, 0], v[:, -1], v[:, length // 2]
    share = length // 2 / (length - 1)
    ends = np.maximum(np.abs(first), np.abs(last))
    found |= np.abs(middle - first - share * (last - first)) <= 2e-4 * np.abs(last - first) + 1e-5 * ends
    low, high = np.log(np.maximum(first, 0)), np.log(np.maximum(last, 0))  # -inf, which no comparison passes
    between = np.log(np.maximum(middle, 0)) - low - share * (high - low)
    found |= (np.abs(high - low) * _SLACK > 1) & (np.abs(between) <= 2 * _ROUNDING)
    if length >= 2 * _MIN_SIDE:
        found |= (np.abs(first) <= 0.11 * peak) & (np.abs(middle) >= 0.9 * peak)
    return np.asarray(found)


def _matrices(m: FloatArray, peak: FloatArray) -> Flags:
    turned = m.transpose(0, 2, 1)
    found = np.asarray(m[:, 0, 0] == np.rint(m[:, 0, 0]))  # counts, zeros and ones
    found |= _may_lie_on_circles(m)
    for one in (m, turned):
        found |= np.count_nonzero(one[:, 0], axis=1) == 1
        found |= _may_have_one_window(one, peak)
        found |= _may_be_cosines(one)
        if 2 <= one.shape[2] <= 4 and one.shape[1] >= _BOXES:
            found[:] = True
        if one.shape[2] >= 2 * _MIN_SIDE:
            found |= m.min(axis=(1, 2)) >= 0
    if m.shape[1] >= _MIN_SIDE and m.shape[2] >= 2 * _MIN_SIDE:
        found |= _may_be_waves(m[:, -1])
    return np.asarray(found)


def _are_close(a: FloatArray, b: FloatArray) -> Flags:
    return np.asarray(np.abs(a - b) <= 2.1 * _ROUNDING * np.maximum(np.abs(a), np.abs(b)))


def _may_lie_on_circles(m: FloatArray) -> Flags:
    """Whether the first three pairs of a row, in any pairing, are about equally far from zero."""
    width = m.shape[2]
    if width % 4 or width < _MIN_SIDE or m.shape[1] < _MIN_SIDE:
        return np.zeros(len(m), bool)
    is_first = np.asarray(m[:, 0].any(axis=1))
    row = np.where(is_first[:, None], m[:, 0], m[:, 1]).astype(np.float64)
    half, quarter = width // 2, width // 4
    found: Flags = np.zeros(len(m), bool)
    for sines, cosines in (
        ((0, 2, 4), (1, 3, 5)),
        ((0, 1, 2), (half, half + 1, half + 2)),
        ((0, 1, half), (quarter, quarter + 1, half + quarter)),
    ):
        radius = np.hypot(row[:, sines], row[:, cosines])
        found |= _are_close(radius[:, :1], radius).all(axis=1)
    return found


def _may_have_one_window(m: FloatArray, peak: FloatArray) -> Flags:
    """Whether three rows of moduli, in either order of rows, can be those of a matrix near one of rank one."""
    if m.shape[1] % 2 or m.shape[1] < _MIN_SIDE or m.shape[2] < _MIN_SIDE:
        return np.zeros(len(m), bool)
    half = m.shape[1] // 2
    most = (4.1 * _ROUNDING * (1.0 + _ROUNDING) * 2.0 * peak.astype(np.float64) ** 2)[:, None, None]
    found: Flags = np.zeros(len(m), bool)
    for cosines, sines in (((0, 1, 2), (half, half + 1, half + 2)), ((0, 2, 4), (1, 3, 5))):
        moduli = np.hypot(*(m[:, rows, :_MIN_SIDE].astype(np.float64) for rows in (cosines, sines)))
        minors = np.abs(moduli[:, :1, :1] * moduli[:, 1:, 1:] - moduli[:, 1:, :1] * moduli[:, :1, 1:])
        found |= (minors <= most).all(axis=(1, 2))
    return found


def _may_be_cosines(m: FloatArray) -> Flags:
    """The first row of a cosine basis is a constant."""
    if min(m.shape[1:]) < _MIN_SIDE:
        return np.zeros(len(m), bool)
    first = m[:, 0, :_MIN_SIDE].astype(np.float64)
    return np.asarray(_are_close(first[:, :1], first).all(axis=1))


def _may_be_waves(rows: FloatArray) -> Flags:
    """Whether each row may be a wave under a Hann window; one with zeros may, for its window is shorter."""
    window = _hann(rows.shape[1])
    wave = (rows.astype(np.float64) / window)[:, window > 0.2]
    inner, beside = wave[:, 1:-1], wave[:, :-2] + wave[:, 2:]
    double_cosine = np.vecdot(inner, beside) / np.vecdot(inner, inner)
    left = beside - double_cosine[:, None] * inner
    fits = np.vecdot(left, left) <= _WAVE_ROUNDING**2 * np.vecdot(inner, inner)
    return np.asarray((fits & (np.abs(double_cosine) < 2 * _SLACK)) | (rows == 0).any(axis=1))


@lru_cache(maxsize=8)
def _hann(size: int) -> FloatArray:
    """A Hann window without the zeros at its ends."""
    return np.hanning(size + 2)[1:-1]
