"""The test of order: what it bounds, by counting; what it gives under the null; what a trend does to it."""

from __future__ import annotations

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.match.tokenizers.core import longest_common_order
from lineage.match.tokenizers.order import ENDS, WINDOW, log10_tail, order_test

CENTRED = [2 * rank - (WINDOW - 1) for rank in range(WINDOW)]
SUMS = [sum(x * y for x, y in zip(CENTRED, order, strict=True)) for order in permutations(CENTRED)]
TRIES = math.log10(1 + 2 * 2 * len(ENDS))  # all, and two ends of two vocabularies


def test_the_bound_is_one_on_the_exact_chance_and_meets_it_at_perfect_order() -> None:
    for windows in (1, 2, 3):
        totals = np.array([sum(sums) for sums in product(SUMS, repeat=windows)])
        for total in np.unique(totals):
            exact = math.log10((totals >= total).mean())
            assert log10_tail(int(total), windows) >= exact - 1e-9
        assert log10_tail(int(totals.max()), windows) == pytest.approx(math.log10(24.0**-windows))


def test_the_bound_is_close() -> None:
    """Chernoff's loses a factor that grows like the root of the number of windows, not more."""
    windows, random = 40, np.random.default_rng(1)
    totals = random.choice(SUMS, (200_000, windows)).sum(axis=1)
    for share in (0.1, 0.01, 0.001):
        total = int(np.quantile(totals, 1 - share))
        assert math.log10(share) - 0.1 <= log10_tail(total, windows) <= math.log10(share) + 1.3


def test_perfect_order_has_the_exact_p_times_what_was_tried() -> None:
    ids = np.arange(400, dtype=np.uint32)
    assert order_test(ids, ids).log10_p == pytest.approx(-100 * math.log10(24) + TRIES)
    assert order_test(ids, ids, 1000).log10_p == pytest.approx(-100 * math.log10(24) + TRIES + 3)


def test_under_the_null_z_is_standard_or_less_and_p_is_honest() -> None:
    random = np.random.default_rng(2)
    ids = np.arange(600, dtype=np.uint32)
    found = [order_test(ids, random.permutation(ids)) for _ in range(300)]
    z = np.array([test.z for test in found])
    assert z.std() < 1.1
    assert np.abs(z).max() < 4
    assert sum(test.log10_p < -1 for test in found) <= 30


@pytest.mark.parametrize("rank_correlation", [0.4, 0.8, 0.95])
def test_a_common_trend_is_no_common_order(rank_correlation: float) -> None:
    random = np.random.default_rng(3)
    noise = math.sqrt(1 / rank_correlation**2 - 1)
    zs = []
    for _ in range(100):
        trend = random.standard_normal(2000)
        left = np.argsort(np.argsort(trend + noise * random.standard_normal(2000)))
        right = np.argsort(np.argsort(trend + noise * random.standard_normal(2000)))
        test = order_test(left.astype(np.uint32), right.astype(np.uint32))
        assert test.log10_p > -4
        zs.append(test.z)
    assert abs(float(np.mean(zs))) < 1


@given(st.lists(st.integers(0, 10_000), min_size=8, max_size=60, unique=True), st.integers(0, 1 << 30))
def test_it_is_one_test_whichever_comes_first_and_whatever_the_ids_are(ids: list[int], seed: int) -> None:
    a = np.array(ids, np.uint32)
    b = np.random.default_rng(seed).permutation(a)
    one, turned = order_test(a, b), order_test(b, a)
    assert (one.z, one.log10_p) == (turned.z, pytest.approx(turned.log10_p))
    shifted = order_test(a * 3 + 7, b)
    assert shifted.z == one.z


def test_the_end_of_a_vocabulary_in_order_is_found_among_the_rest() -> None:
    random = np.random.default_rng(4)
    head, tail = random.permutation(1400), 1400 + np.arange(200)
    places = random.permutation(1600)  # where the second vocabulary has each
    where = np.empty(1600, np.int64)
    where[head], where[tail] = places[:1400], np.sort(places[1400:])
    test = order_test(np.arange(1600, dtype=np.uint32), where.astype(np.uint32))
    assert test.log10_p < -20


@given(st.lists(st.integers(0, 100), max_size=9, unique=True))
def test_the_longest_order_is_as_long_as_any(values: list[int]) -> None:
    places = longest_common_order(np.array(values, np.uint32))
    chosen = [values[place] for place in places.tolist()]
    assert places.tolist() == sorted(places.tolist())
    assert chosen == sorted(chosen)
    longest = max(n for n in range(len(values) + 1) if any(list(c) == sorted(c) for c in combinations(values, n)))
    assert len(chosen) == longest
