"""Tensors by themselves: related, not related, or too small to decide."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lineage.match.alone import judged_alone, log10_equal
from tests.synthetic import tensor

ALPHA = -6.0 - math.log10(3 * 200)  # of a model of 200 tensors


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("r", [0.6, 0.95, 1.0])
def test_what_was_trained_on_is_related(r):
    base = drawn(1, 96, 64)
    tuned = (r * base + math.sqrt(1 - r * r) * drawn(2, 96, 64)).astype(np.float32)
    assert judged_alone(tensor(tuned), tensor(base), False, ALPHA) == "related"
    assert judged_alone(tensor(np.ascontiguousarray(tuned.T)), tensor(base), True, ALPHA) == "related"


def test_unrelated_matrices_are_never_related_and_open_as_often_as_the_null_says():
    """A z that one of a hundred unrelated pairs exceeds is open: of 300, fewer than 15 with probability 1 - 1e-6."""
    said = [
        judged_alone(tensor(drawn(seed, 96, 64)), tensor(drawn(seed + 1000, 96, 64)), False, ALPHA)
        for seed in range(300)
    ]
    assert "related" not in said
    assert said.count("open") < 15


@pytest.mark.parametrize("shape", [(12, 6), (33, 2)])
def test_matrices_of_few_units_are_open_unless_copied(shape):
    """The first has too few units for a test of relabellings; that of the second could not see r = 0.8."""
    base = drawn(1, *shape)
    assert judged_alone(tensor(drawn(2, *shape)), tensor(base), False, ALPHA) == "open"
    assert judged_alone(tensor(base), tensor(base), False, ALPHA) == "related"


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_ones_and_zeros_are_equal_by_chance(constant):
    assert log10_equal(np.full((64, 1), constant, np.float32)) >= 0.0


def test_one_value_among_ones_has_as_many_places_as_there_are():
    values = np.ones((64, 1), np.float32)
    values[5] = 2.0
    assert log10_equal(values) == pytest.approx(-math.log10(64) + math.log10(2))
    assert log10_equal(drawn(1, 64, 1)) == pytest.approx(-math.lgamma(65) / math.log(10) + math.log10(2))


def test_the_chance_of_equality_is_that_of_drawing_an_order():
    """[1, 1, 2, 3] comes out of a random order of its values one time in twelve; the bound counts both ways to look."""
    values = np.array([[1.0], [1.0], [2.0], [3.0]], np.float32)
    random = np.random.default_rng(0)
    hits = np.mean([np.array_equal(random.permutation(values), values) for _ in range(20_000)])
    assert hits == pytest.approx(1 / 12, abs=0.01)
    assert log10_equal(values) == pytest.approx(math.log10(2 / 12))
