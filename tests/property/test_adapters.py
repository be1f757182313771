"""The products of adapters: bands, orientation and scale, whatever the shapes."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints import open_checkpoint
from lineage.types import TensorView
from tests.adapter_files import Factors, drawn, write_adapter

sides = st.integers(1, 70)


def product(factors: Factors, **settings: object) -> TensorView:
    with TemporaryDirectory() as folder:
        (view,) = open_checkpoint(write_adapter(Path(folder), factors, **settings)).tensors
        return view


@given(out=sides, into=sides, rank=st.integers(1, 20), seed=st.integers(0, 9), turned=st.booleans(), data=st.data())
def test_a_band_equals_the_same_rows_of_the_whole_bit_by_bit(
    out: int, into: int, rank: int, seed: int, turned: bool, data: st.DataObject
) -> None:
    view = product(drawn({"q": (out, into)}, rank, seed), fan_in_fan_out=turned)
    rows = view.shape[0]
    start = data.draw(st.integers(0, rows))
    stop = data.draw(st.integers(start, rows))
    assert view.shape == ((into, out) if turned else (out, into))
    np.testing.assert_array_equal(view.rows(start, stop), view.rows(0, rows)[start:stop])


@given(out=sides, into=sides, rank=st.integers(1, 20), seed=st.integers(0, 9))
def test_the_product_is_that_of_its_factors_and_turned_is_transposed(out: int, into: int, rank: int, seed: int) -> None:
    factors = drawn({"q": (out, into)}, rank, seed)
    (b, a) = factors["q"]
    straight = product(factors).rows(0, out)
    np.testing.assert_allclose(straight, 2.0 * b.astype(np.float64) @ a, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(product(factors, fan_in_fan_out=True).rows(0, into), straight.T)


@given(rank=st.integers(1, 40), alpha=st.floats(0.01, 1000), stabilised=st.booleans())
def test_the_scale_is_alpha_over_the_rank_or_its_root(rank: int, alpha: float, stabilised: bool) -> None:
    factors = drawn({"q": (5, 4)}, rank, 3)
    found = product(factors, lora_alpha=alpha, use_rslora=stabilised).rows(0, 5)
    scale = alpha / (math.sqrt(rank) if stabilised else rank)
    b, a = factors["q"]
    np.testing.assert_allclose(found, scale * (b.astype(np.float64) @ a), rtol=1e-5, atol=1e-7 * scale)


@given(first=st.integers(1, 9), second=st.integers(1, 9))
def test_twice_the_alpha_is_twice_the_product(first: int, second: int) -> None:
    factors = drawn({"q": (9, 7)}, 4, 5)
    one, two = (product(factors, lora_alpha=4 * alpha).rows(0, 9) for alpha in (first, second))
    np.testing.assert_allclose(one * second, two * first, rtol=1e-6)
