"""Weighted sums of models that moved by a few units in the last place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.blends import blend
from lineage.ancestry.merge.mixtures import Mixture, find_mixtures
from lineage.ancestry.merge.neighbours import neighbours
from tests.synthetic import Arrays, encoder, sketch

NARROW = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
UNIT = {NARROW[0]: 2.0**-11, NARROW[1]: 2.0**-8}


def stored(dtype: np.dtype[np.generic], arrays: Arrays) -> Arrays:
    return {n: np.asarray(a, np.float32).astype(dtype).astype(np.float32) for n, a in arrays.items()}


def tuned(dtype: np.dtype[np.generic], seed: int, units: float) -> Arrays:
    """A child of one base that moved by so many units in the last place of a typical value."""
    generator, base = np.random.default_rng(seed), stored(dtype, encoder(3))
    moved = {n: units * UNIT[dtype] * (a.std() or 0.05) * generator.standard_normal(a.shape) for n, a in base.items()}
    return stored(dtype, {n: a + moved[n] for n, a in base.items()})


def summed(dtype: np.dtype[np.generic], weights: Sequence[float], models: Sequence[Arrays]) -> Arrays:
    names = models[0]
    return stored(dtype, {n: np.tensordot(weights, [one[n] for one in models], axes=1) for n in names})


def found(models: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in models.items()])
    names = [list(models)[member] for member in cohort.members]
    mixtures: dict[int, Mixture] = find_mixtures(cohort)
    return {names[k]: {names[p]: w for p, w in zip(m.parents, m.weights, strict=True)} for k, m in mixtures.items()}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("units", [2.0, 5.0, 50.0])
@pytest.mark.parametrize("weights", [[0.6, 0.4], [0.85, 0.15], [0.5, 0.3, 0.2]], ids=str)
def test_a_sum_of_near_models_is_found_with_its_weights(dtype, units, weights):
    parents = {f"{k}": tuned(dtype, k, units) for k in range(len(weights))}
    family = {"base": stored(dtype, encoder(3)), "other": tuned(dtype, 9, units)} | parents
    family["sum"] = summed(dtype, weights, list(parents.values()))
    (name, parts), *others = found(family).items()
    assert (name, others) == ("sum", [])
    assert parts.keys() == parents.keys()
    assert [parts[k] for k in parents] == pytest.approx(weights, abs=1e-3)


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("units", [0.5, 2.0, 5.0, 50.0])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_base_is_no_blend_of_its_children_nor_they_of_it(dtype, units, count):
    family = {"base": stored(dtype, encoder(3))} | {f"{k}": tuned(dtype, k, units) for k in range(count)}
    assert found(family) == {}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_what_was_trained_on_from_a_sum_is_none(dtype):
    first, second = tuned(dtype, 1, 5.0), tuned(dtype, 2, 5.0)
    merge = summed(dtype, [0.6, 0.4], [first, second])
    generator = np.random.default_rng(5)
    trained = {n: a + UNIT[dtype] * a.std() * generator.standard_normal(a.shape) for n, a in merge.items()}
    assert found({"first": first, "second": second, "trained": stored(dtype, trained)}) == {}


def test_sums_in_single_precision_are_left_to_least_squares():
    models = [tuned(NARROW[1], k, 5.0) for k in range(2)]
    models.append({n: np.float32(0.6) * a + np.float32(0.4) * models[1][n] for n, a in models[0].items()})
    (cohort,) = cohorts([sketch(arrays, name=str(k)) for k, arrays in enumerate(models)])
    assert blend(neighbours(cohort), cohort.members.index(2), frozenset()) is None
    assert find_mixtures(cohort)[cohort.members.index(2)].weights == pytest.approx((0.6, 0.4), abs=1e-3)
