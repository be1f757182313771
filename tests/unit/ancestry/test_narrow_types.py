"""Values in a narrower type are the others' whichever way an exporter rounds them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.ancestry.pair.narrow_types import SIGNIFICANDS, is_cast, rounded, truncated
from tests.synthetic import encoder, sketch

RNG = np.random.default_rng(8)
WIDE = (RNG.standard_normal(4096) * 10.0 ** RNG.uniform(-9, 1, 4096)).astype(np.float32)


def test_cutting_off_is_dropping_bits():
    bits = (WIDE.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert np.array_equal(truncated(WIDE, "bfloat16"), bits)
    normal = np.abs(WIDE) >= 2.0**-14
    bits = (WIDE.view(np.uint32) & 0xFFFFE000).view(np.float32)
    assert np.array_equal(truncated(WIDE, "float16")[normal], bits[normal])
    assert np.array_equal(truncated(WIDE, "float16")[~normal], np.trunc(WIDE[~normal] * 2.0**24) / 2.0**24)


@pytest.mark.parametrize("scheme", SIGNIFICANDS)
def test_cut_off_values_are_no_larger_and_less_than_a_step_away(scheme):
    small = WIDE[np.abs(WIDE) < 100]
    cut, near = truncated(small, scheme), rounded(small, scheme)
    assert (np.abs(cut) <= np.abs(small)).all()
    assert np.array_equal(truncated(near, scheme), near)
    assert is_cast(cut, small, scheme)
    assert is_cast(near, small, scheme)
    assert not is_cast(small, near, scheme)


def test_one_value_off_is_no_cast():
    half = truncated(WIDE, "float16")
    half[np.argmax(np.abs(half))] *= 2
    assert not is_cast(half, WIDE, "float16")


def cut(array):
    return truncated(array, "float16").astype(np.float16)


def flushed(array):
    return np.where(np.abs(array) < 2.0**-14, 0, truncated(array, "float16")).astype(np.float16)


def nearest_flushed(array):
    return np.where(np.abs(array) < 2.0**-14, 0, array).astype(np.float16)


@pytest.mark.parametrize("cast", [cut, flushed, nearest_flushed, lambda array: array.astype(np.float16)])
def test_half_precision_by_any_rounding_is_re_encoded_not_pruned(cast):
    # Of weights so small, a quarter is no normal number of half precision.
    weights = {name: (array * (2.0**-12.5 / array.std())).astype(np.float32) for name, array in encoder(3).items()}
    halves = {name: cast(array) for name, array in weights.items()}
    assert compare(sketch(halves), sketch(weights)).relation == "re-encoded"


def test_values_computed_again_in_float32_have_no_direction() -> None:
    """Lengths times directions are the narrow values but for float32's own errors: neither side was rounded from it."""
    rng = np.random.default_rng(8)
    base = {
        f"layers.{n}.weight": rng.standard_normal((64, 48)).astype(ml_dtypes.bfloat16).astype("f4") for n in range(3)
    }
    again = {name: (w / np.linalg.norm(w)) * np.linalg.norm(w) for name, w in base.items()}
    finer = {name: w * (1 + rng.uniform(-1, 1, w.shape) * 2.0**-10).astype("f4") for name, w in base.items()}
    told = {name: sketch(arrays) for name, arrays in (("base", base), ("again", again), ("finer", finer))}
    assert any((again[name] != base[name]).any() for name in base)
    assert compare(told["again"], told["base"]).direction == "undirected"
    assert compare(told["finer"], told["base"]).direction == "parent"
