"""Means that come out value by value, and what only looks like one."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixtures import find_mixtures
from lineage.ancestry.merge.neighbours import neighbours
from lineage.ancestry.merge.soups import soup
from tests.synthetic import Arrays, encoder, sketch

TYPES = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


def stored(arrays: Arrays, dtype: np.dtype[np.generic]) -> Arrays:
    return {name: array.astype(dtype).astype(np.float32) for name, array in arrays.items()}


def moved(base: Arrays, seed: int, share: float) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * (a.std() or 0.05) * generator.standard_normal(a.shape)).astype(np.float32)
        for n, a in base.items()
    }


def a_run(dtype: np.dtype[np.generic], steps: int, share: float) -> list[Arrays]:
    """Checkpoints of one run, each trained on from the one before."""
    run = [stored(encoder(1), dtype)]
    for step in range(steps):
        run.append(stored(moved(run[-1], 10 + step, share), dtype))
    return run


def mean(models: list[Arrays], dtype: np.dtype[np.generic]) -> Arrays:
    return stored({n: np.mean([one[n] for one in models], axis=0, dtype=np.float32) for n in models[0]}, dtype)


def found(models: list[Arrays]) -> dict[int, set[int]]:
    (cohort,) = cohorts([sketch(arrays, name=str(i)) for i, arrays in enumerate(models)])
    return {
        cohort.members[child]: {cohort.members[p] for p in one.parents} for child, one in find_mixtures(cohort).items()
    }


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_mean_of_checkpoints_that_moved_little_is_found(dtype, count):
    run = a_run(dtype, count, 0.005)
    assert found([*run, mean(run[1:], dtype)]) == {count + 1: set(range(1, count + 1))}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("share", [3e-4, 2e-3, 0.01, 0.1])
@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_the_base_of_a_star_is_no_mean_of_its_children_however_little_they_moved(dtype, share, count):
    base = stored(encoder(1), dtype)
    models = [base, *(stored(moved(base, 10 + k, share), dtype) for k in range(count))]
    (cohort,) = cohorts([sketch(arrays, name=str(i)) for i, arrays in enumerate(models)])
    around = neighbours(cohort)
    assert all(soup(around, child, frozenset()) is None for child in range(len(models)))


@pytest.mark.parametrize("dtype", TYPES[1:], ids=str)
def test_a_copy_with_a_little_noise_does_not_stand_in_for_what_was_averaged(dtype):
    run = a_run(dtype, 3, 0.01)
    noisy = stored(moved(run[2], 30, 0.001), dtype)
    assert found([*run, noisy, mean(run[1:], dtype)]) == {5: {1, 2, 3}}


@pytest.mark.parametrize("dtype", TYPES[1:], ids=str)
def test_a_running_mean_is_no_mean(dtype):
    run = a_run(dtype, 4, 0.01)
    running = {n: (0.1 * run[1][n] + 0.2 * run[2][n] + 0.3 * run[3][n] + 0.4 * a) for n, a in run[4].items()}
    (cohort,) = cohorts([sketch(arrays, name=str(i)) for i, arrays in enumerate([*run, stored(running, dtype)])])
    assert soup(neighbours(cohort), 5, frozenset()) is None
