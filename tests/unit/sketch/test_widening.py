"""Stored values as float32, bit for bit as NumPy casts them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lineage.sketch.widening import widen, widened

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = HALVES[np.isfinite(HALVES)]


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32)


def test_every_finite_float16_is_widened_exactly():
    assert np.array_equal(bits(widened(FINITE)), bits(FINITE.astype(np.float32)))


@pytest.mark.parametrize("odd", [0x7C00, 0xFC00, 0x7C01, 0x7E00, 0x7FFF, 0xFC01, 0xFE00, 0xFFFF])
def test_infinities_and_what_is_no_number_stay_that(odd):
    values = np.append(FINITE, np.uint16(odd).view(np.float16))
    assert np.array_equal(bits(widened(values)), bits(values.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.complex64, np.int8])
def test_values_are_laid_out_as_they_were(dtype):
    values = np.arange(-60, 60).reshape(8, 15).astype(dtype).T[1:, ::2]
    for some in (values, np.asfortranarray(values), values[:0]):
        assert np.array_equal(widened(some), some.real.astype(np.float32))
        assert widened(some).strides == some.real.astype(np.float32).strides
    held = np.empty(values.shape, np.float32)
    widen(values, held)
    assert np.array_equal(held, widened(values))


def test_float32_is_not_copied_and_what_is_beyond_it_is_infinite():
    values = np.ones(3, np.float32)
    assert widened(values) is values
    assert widened(np.array([1e300, -1e300])).tolist() == [np.inf, -np.inf]
