"""Levels of rows: a few values of a row show that it has none, and never that of a row which has some."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_dtypes import bfloat16

from lineage.sketch.stats import MOST_LEVELS, stack_stats

STORED = st.sampled_from([np.float32, np.float16, bfloat16])


def levels(rows: np.ndarray) -> list[int]:
    """`levels_row` of tensors of these rows, (k, n, width)."""
    return [one.levels_row for one in stack_stats(np.ones((len(rows), 2)), rows, np.ones((len(rows), 2), np.float32))]


@given(st.integers(3, MOST_LEVELS - 1), st.integers(65, 3000), st.floats(-3, 3), STORED, st.integers(0, 2**32 - 1))
def test_a_row_on_levels_is_found_however_its_first_values_lie(count, width, power, stored, seed):
    random = np.random.default_rng(seed)
    steps = random.integers(0, count, width)
    steps[-3:] = 0, count - 1, 0  # both ends, one of them twice
    step = 2.0 ** round(power)
    row = (step * (steps - count // 2)).astype(stored).astype(np.float32)
    if len(np.unique(row)) != len(np.unique(steps)):  # rounded to fewer
        return
    smallest = np.diff(np.unique(steps)).min()
    expected = round((count - 1) / smallest) + 1
    is_lattice = (steps % smallest == 0).all() and expected > 2
    assert levels(row[None, None])[0] == (expected if is_lattice else 0)


@pytest.mark.parametrize("stored", [np.float32, np.float16, bfloat16])
def test_plain_rows_have_none(stored):
    rows = np.random.default_rng(5).standard_normal((3, 16, 2048)).astype(stored).astype(np.float32)
    assert levels(rows) == [0, 0, 0]


def test_rows_of_one_number_and_rows_that_begin_with_one_are_looked_at_whole():
    row = np.zeros(400, np.float32)
    assert levels(row[None, None]) == [0]
    row[200:] = np.arange(200) % 5
    assert levels(row[None, None]) == [5]
