"""Rows that lie in another order in the other model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lineage.match.containment import _suggested, find_reordered
from lineage.match.pairing import pair_tensors
from lineage.sketch.layouts import SAME_SUM
from tests.synthetic import sketch

RANDOM = np.random.default_rng(5)
NAMES = ("a", "b", "c", "d")
ONE = {name: RANDOM.standard_normal((80 + 16 * i, 48)).astype(np.float32) for i, name in enumerate(NAMES)}
SHUFFLED = {name: w[RANDOM.permutation(len(w))] for name, w in ONE.items()}
OTHER = {name: RANDOM.standard_normal(w.shape).astype(np.float32) for name, w in ONE.items()}
PART = OTHER | {"c": np.concatenate([ONE["b"][:20], OTHER["c"][20:]])}  # a few rows of another matrix


@pytest.mark.parametrize("arrays", [SHUFFLED, OTHER, PART], ids=["shuffled", "other", "a few rows"])
def test_what_is_suggested_shares_a_row_code_or_the_sum_of_squares(arrays):
    a, b = sketch(ONE, "full"), sketch(arrays, "full")
    expected: dict[int, set[int]] = {i: set() for i in range(len(a.tensors))}
    for (i, mine), (j, other) in product(enumerate(a.tensors), enumerate(b.tensors)):
        square = mine.moments[1]
        is_one = mine.params == other.params and abs(other.moments[1] - square) <= SAME_SUM * square
        if is_one or (mine.minhash == other.minhash).any():
            expected[i].add(j)
    found = dict(_suggested(a, range(len(a.tensors)), b))
    assert {i: set(others) for i, others in found.items()} == expected
    assert all(others == sorted(others) for others in found.values())
    assert any(expected.values()) == (arrays is not OTHER)


def test_shuffled_rows_are_found():
    a, b = sketch(ONE, "full"), sketch(SHUFFLED, "full")
    found = find_reordered(a, b, pair_tensors(a, b, 1), 1)
    assert [(pair.a, pair.b, pair.how) for pair in found] == [(i, i, "rows") for i in range(len(NAMES))]


@pytest.mark.parametrize(
    ("step", "least", "most", "is_found"),
    [(1 / 150, 0.3, 0.5, True), (1 / 25, 0.0, 0.1, False)],  # as bfloat16 leaves them, and codes of eight bits
)
def test_columns_in_another_order_are_found_by_sums_where_values_have_levels_enough(step, least, most, is_found):
    whole = {f"{i}": np.rint(RANDOM.standard_normal((128, 256)) / step) * step for i in range(4)}
    order = RANDOM.permutation(256)
    columns = {n: w[:, order] for n, w in whole.items()}
    a, b = (sketch({n: w.astype(np.float32) for n, w in one.items()}, "full") for one in (whole, columns))
    assert all(least <= t.stats.distinct < most for t in (*a.tensors, *b.tensors))
    found = find_reordered(a, b, pair_tensors(a, b, 1), 1)
    assert [pair.how == "rows" for pair in found] == [is_found] * len(found)
