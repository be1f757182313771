"""What unrelated weights give: statistics that are distributed as they say, and tails that are what tables say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.match.permutation import permutation_test, standardised, unit_rows
from lineage.match.tails import log10_factorial, log10_normal, log10_poisson, normal_quantile
from lineage.match.values import Agreement, agreements
from lineage.sketch.projection import encode_units
from lineage.types import Units
from tests.synthetic import tensor


def z_of(*pairs: tuple[np.ndarray, np.ndarray]) -> float:
    test = permutation_test([(standardised(a), standardised(b)) for a, b in pairs])
    assert test is not None
    return test.z


def units(random: np.random.Generator, n: int) -> np.ndarray:
    return random.standard_normal((n, 32)).astype(np.float32)


# -- the permutation test ----------------------------------------------------------------------


@pytest.mark.parametrize("n", [32, 60, 150])
def test_relabelling_one_side_gives_a_mean_of_0_and_a_deviation_of_1(n):
    random = np.random.default_rng(n)
    a = units(random, n)
    b = (0.8 * a + 0.6 * units(random, n)).astype(np.float32)
    zs = [z_of((a, b[random.permutation(n)])) for _ in range(800)]
    assert abs(np.mean(zs)) < 4 / math.sqrt(800)
    assert np.std(zs) == pytest.approx(1, abs=0.1)
    assert z_of((a, b)) > 15


def test_the_moments_are_those_over_every_permutation():
    random = np.random.default_rng(5)
    a, b = units(random, 5), units(random, 5)
    agreement_matrix = standardised(a).astype(float) @ standardised(b).astype(float).T
    traces = [agreement_matrix[range(5), order].sum() for order in itertools.permutations(range(5))]
    centred = (
        agreement_matrix - agreement_matrix.mean(0) - agreement_matrix.mean(1, keepdims=True) + agreement_matrix.mean()
    )
    assert np.mean(traces) == pytest.approx(agreement_matrix.sum() / 5)
    assert np.std(traces) == pytest.approx(math.sqrt((centred**2).sum() / 4))


def test_tensors_that_share_an_axis_share_one_relabelling():
    random = np.random.default_rng(9)
    a1, a2 = units(random, 64), units(random, 64)
    b1, b2 = (x + 0.5 * units(random, 64) for x in (a1, a2))
    zs = []
    for _ in range(600):
        order = random.permutation(64)
        zs.append(z_of((a1, b1[order]), (a2, b2[order])))
    assert abs(np.mean(zs)) < 4 / math.sqrt(600)
    assert np.std(zs) == pytest.approx(1, abs=0.1)


def test_what_all_units_share_is_no_evidence():
    zs, plain = [], []
    for seed in range(300):
        random = np.random.default_rng(seed)
        a, b = units(random, 64), units(random, 64)
        common = 5 * random.standard_normal(32).astype(np.float32)
        plain.append(z_of((a, b)))
        zs.append(z_of((a + common, b + common)))
    assert np.allclose(zs, plain, atol=1e-3)
    assert abs(np.mean(zs)) < 4 / math.sqrt(300)
    assert np.std(zs) == pytest.approx(1, abs=0.12)


def test_gains_near_one_on_independent_matrices_are_no_evidence():
    zs, cosines = [], []
    for seed in range(100):
        random = np.random.default_rng(seed)
        a, b = (
            tensor((1 + 0.02 * random.standard_normal(64) + 0.1 * random.standard_normal((64, 64))).astype(np.float32))
            for _ in range(2)
        )
        x, y = a.values.ravel(), b.values.ravel()
        cosines.append(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
        zs += [z_of((unit_rows(x, x.index), unit_rows(y, y.index))) for x, y in zip(a.units, b.units, strict=True)]
    assert min(cosines) > 0.98
    assert abs(np.mean(zs)) < 4 / math.sqrt(200)
    assert np.std(zs) == pytest.approx(1, abs=0.15)


def test_fewer_than_32_units_and_constants_are_not_tested():
    random = np.random.default_rng(1)
    a, b = units(random, 31), units(random, 31)
    assert permutation_test([(standardised(a), standardised(b))]) is None
    same = np.ones((64, 32), np.float32)
    assert permutation_test([(standardised(same), standardised(units(random, 64)))]) is None


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(0.01, 100))
def test_z_does_not_change_with_scale_or_side(seed, up, down):
    random = np.random.default_rng(seed)
    a, b = units(random, 40), units(random, 40)
    z = z_of((a, b))
    assert z_of((b, a)) == pytest.approx(z, abs=1e-4)
    assert z_of(((up * a).astype(np.float32), (down * b).astype(np.float32))) == pytest.approx(z, abs=1e-3)
    assert z_of((a, -b)) == pytest.approx(-z, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_units_are_read_back_at_the_positions_asked_for(seed):
    random = np.random.default_rng(seed)
    index = np.sort(random.choice(500, 40, replace=False)).astype(np.int64)
    made: Units = encode_units(random.standard_normal((40, 32)), index)
    chosen = index[::3]
    assert np.array_equal(unit_rows(made, chosen), unit_rows(made, index)[::3])


# -- agreement of values -----------------------------------------------------------------------


def agreement(x: np.ndarray, y: np.ndarray, distinct: float) -> Agreement | None:
    (found,) = agreements([(x, y)], [distinct])
    return found


def agreements_by_chance(shape: tuple[int, int], scale: np.ndarray | float = 1.0) -> tuple[int, float]:
    """Agreements and their expectation over 400 pairs of independent normal matrices."""
    agreeing, expected = 0, 0.0
    for seed in range(400):
        x, y = (scale * np.random.default_rng(seed).standard_normal((2, *shape))).astype(np.float32)
        found = agreement(x, y, 1.0)
        assert found is not None
        assert found.compared == x.size
        agreeing, expected = agreeing + found.agreeing, expected + found.expected
    return agreeing, expected


def test_independent_values_agree_about_as_often_as_expected():
    # the density of a difference of normals at 0 is 0.282: 400 * 400 * 2e-4 * 0.282 = 9.0 agreements
    agreeing, expected = agreements_by_chance((400, 1))
    assert 2 <= agreeing <= 20
    # each pair's count of chances has one added, which makes 400 / 399 more
    assert 7 < expected < 14


def test_the_expectation_is_on_the_safe_side_for_a_matrix():
    agreeing, expected = agreements_by_chance((20, 20))
    assert 2 <= agreeing <= 20
    assert 9 < expected < 80


def test_rows_or_columns_that_are_small_in_every_model_raise_the_expectation_with_the_count():
    small = np.where(np.arange(20) < 10, 1e-3, 1.0)
    for scale in (small[:, None], small):
        agreeing, expected = agreements_by_chance((20, 20), scale)
        assert agreeing > 1000
        assert agreeing < 1.1 * expected < 1.5 * agreeing


@given(st.integers(0, 2**32 - 1), st.integers(16, 400))
def test_copies_agree_everywhere_and_zeros_do_not_count(seed, n):
    x = np.random.default_rng(seed).standard_normal((n, 1)).astype(np.float32)
    found = agreement(x, x, 1.0)
    assert found is not None
    assert (found.agreeing, found.compared) == (n, n)
    assert log10_poisson(found.agreeing, found.expected) < -0.4 * n
    padded = np.concatenate([x, np.zeros((50, 1), np.float32)])
    assert agreement(padded, padded, 1.0).compared == n


def test_too_few_or_too_coarse_values_are_not_counted():
    x = np.random.default_rng(1).standard_normal((20, 20)).astype(np.float32)
    assert agreement(x, x, 0.49) is None
    assert agreement(x[:3, :5], x[:3, :5], 1.0) is None
    assert agreement(np.ones_like(x), np.ones_like(x), 1.0) is None


# -- tails -------------------------------------------------------------------------------------

# Abramowitz and Stegun, table 26.1 (Q of the one-sided tail), doubled
TABLE = {
    0.0: 1.0,
    1.0: 0.3173105078629141,
    1.959963984540054: 0.05,
    3.0: 2.699796063260189e-3,
    5.0: 5.733031437583878e-7,
}


@pytest.mark.parametrize(("z", "p"), TABLE.items())
def test_the_normal_tail_is_that_of_the_tables(z, p):
    assert log10_normal(z) == pytest.approx(math.log10(p), abs=1e-9)
    assert log10_normal(-z) == log10_normal(z)


def asymptotic(z: float) -> float:
    """log10 of the two-sided tail by eight terms of its asymptotic series (DLMF 7.12.1; good to 1e-9 from z = 20)."""
    terms, term = 1.0, 1.0
    for k in range(1, 9):
        term *= -(2 * k - 1) / (z * z)
        terms += term
    return (-z * z / 2 + math.log(2 * terms / (z * math.sqrt(2 * math.pi)))) / math.log(10)


@given(st.floats(20, 1e6))
def test_the_normal_tail_follows_its_series_far_out(z):
    assert log10_normal(z) == pytest.approx(asymptotic(z), rel=1e-8, abs=1e-4)


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_the_normal_tail_never_rises(a, b):
    near, far = sorted((a, b))
    assert log10_normal(far) <= log10_normal(near) + 1e-12


def test_the_two_branches_of_the_tail_meet():
    assert log10_normal(30 - 1e-9) == pytest.approx(log10_normal(30.0), abs=2e-5)


@given(st.floats(-1e7, -1e-3))
def test_the_quantile_is_the_inverse_of_the_tail(log10_p):
    assert log10_normal(normal_quantile(log10_p)) == pytest.approx(log10_p, rel=1e-5, abs=1e-9)


def exact_poisson(count: int, rate: float) -> float:
    """log10 P(X >= count), summed from its largest term on."""
    first = -rate + count * math.log(rate) - math.lgamma(count + 1)
    terms, term = 1.0, 1.0
    for k in range(count + 1, count + 400):
        term *= rate / k
        terms += term
    return (first + math.log(terms)) / math.log(10)


@given(st.integers(1, 2000), st.floats(1e-9, 0.999))
def test_the_poisson_bound_is_above_the_tail_and_near_it(count, share):
    rate = share * count
    bound = log10_poisson(count, rate)
    assert bound <= 0
    assert bound >= exact_poisson(count, rate) - 1e-9
    if share < 0.5:
        assert bound < exact_poisson(count, rate) + 0.5 * math.log10(count) + 1.5


@given(st.integers(0, 1000), st.floats(0, 1000))
def test_no_more_than_the_mean_is_no_evidence(count, more):
    assert log10_poisson(count, count + more) == 0.0


@pytest.mark.parametrize("n", [1, 5, 20, 170])
def test_the_factorial_is_the_factorial(n):
    assert log10_factorial(n) == pytest.approx(math.log10(math.factorial(n)), abs=1e-9)
