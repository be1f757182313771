"""Exact sums in which a model that was computed from an unknown one takes that one's place: these are no merges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixtures import find_mixtures
from lineage.ancestry.merge.rounding import is_rounded_once
from lineage.ancestry.trees.search import Search
from tests.synthetic import Arrays, encoder, sketch

TYPES = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
TOKENS = "bert.embeddings.word_embeddings.weight"
BASE = encoder(3)


def tuned(seed: int, share: float = 0.2) -> Arrays:
    generator = np.random.default_rng(seed)
    return {n: a + share * (a.std() or 0.05) * generator.standard_normal(a.shape) for n, a in BASE.items()}


def stored(dtype: np.dtype[np.generic], arrays: Arrays) -> Arrays:
    return {n: np.asarray(a).astype(dtype) for n, a in arrays.items()}


def combined(dtype: np.dtype[np.generic], weights: Sequence[float], models: Sequence[Arrays]) -> Arrays:
    """A weighted sum in single precision, rounded once as it is stored."""
    total = {n: np.zeros(a.shape, np.float32) for n, a in models[0].items()}
    for weight, model in zip(weights, models, strict=True):
        for n, a in model.items():
            total[n] = total[n] + np.float32(weight) * a.astype(np.float32)
    return stored(dtype, total)


def in_steps(dtype: np.dtype[np.generic], weights: Sequence[float], models: Sequence[Arrays]) -> Arrays:
    """The same with every product and every partial sum rounded to the type, as where a tool computes in it."""
    total = {n: np.zeros(a.shape, dtype) for n, a in models[0].items()}
    for weight, model in zip(weights, models, strict=True):
        for n, a in model.items():
            product = (np.float32(weight) * a.astype(np.float32)).astype(dtype).astype(np.float32)
            total[n] = (total[n].astype(np.float32) + product).astype(dtype)
    return total


def merges(models: Mapping[str, Arrays]) -> dict[str, set[str]]:
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in models.items()])
    names = list(models)
    found = find_mixtures(cohort)
    return {names[cohort.members[c]]: {names[cohort.members[p]] for p in one.parents} for c, one in found.items()}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("weights", [[0.4, 0.6], [0.6, 0.4]], ids=str)
def test_two_merges_of_an_unknown_model_are_no_merge_of_one_another(dtype, weights):
    first, second, unknown = (stored(dtype, tuned(seed)) for seed in (1, 2, 3))
    family = {"first": first, "second": second, "one": combined(dtype, weights, [first, unknown])}
    family["other"] = combined(dtype, [0.5, 0.5], [second, unknown])
    assert merges(family) == {}
    assert merges(family | {"unknown": unknown}) == {"one": {"first", "unknown"}, "other": {"second", "unknown"}}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_of_a_third_that_is_unknown_a_merge_of_two_does_not_take_the_place(dtype):
    first, second, third = (stored(dtype, tuned(seed)) for seed in (1, 2, 3))
    family = {"first": first, "second": second}
    family["two"] = combined(dtype, [0.5, 0.5], [first, third])
    family["three"] = combined(dtype, [0.4, 0.3, 0.3], [first, second, third])
    assert "three" not in merges(family)
    assert merges(family | {"third": third})["three"] == {"first", "second", "third"}


@pytest.mark.parametrize("dtype", TYPES[1:], ids=str)
def test_a_sum_that_a_tool_computed_in_a_narrow_type_is_found(dtype):
    """Each step was rounded, so that it is not rounded once; but it comes out when it is computed so again."""
    family = {f"{k}": stored(dtype, tuned(k)) for k in range(3)}
    child = in_steps(dtype, [0.4, 0.35, 0.25], list(family.values()))
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in (family | {"child": child}).items()])
    assert is_rounded_once(cohort, 3, [0, 1, 2]) is False
    assert merges(family | {"child": child}) == {"child": {"0", "1", "2"}}


def test_a_sum_in_single_precision_is_not_judged_by_one_rounding():
    family = {f"{k}": stored(TYPES[0], tuned(k)) for k in range(3)}
    family["child"] = combined(TYPES[0], [0.4, 0.35, 0.25], list(family.values()))
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in family.items()])
    assert is_rounded_once(cohort, 3, [0, 1, 2]) is None


def test_the_narrow_copy_of_an_unknown_model_is_no_merge_of_its_mean_with_another():
    """The mean and the other give the unknown model, and so its copy, exactly."""
    other, unknown = stored(TYPES[0], tuned(1)), stored(TYPES[0], tuned(2))
    mean = combined(TYPES[0], [0.5, 0.5], [other, unknown])
    copy = {n: a.astype(ml_dtypes.bfloat16).astype(np.float32) for n, a in unknown.items()}
    found = merges({"other": other, "mean": mean, "copy": copy})
    assert "copy" not in found


def trimmed(arrays: Arrays) -> Arrays:
    """Without the last rows of its token table."""
    return arrays | {TOKENS: arrays[TOKENS][:-16]}


def test_a_copy_with_another_vocabulary_does_not_take_the_place_of_a_merges_parent():
    first, second, unknown = (stored(TYPES[0], tuned(seed)) for seed in (1, 2, 3))
    merge = combined(TYPES[0], [0.4, 0.6], [first, unknown])

    def found(family: Mapping[str, Arrays]) -> dict[str, set[str]]:
        mixtures = Search([sketch(arrays, name=name) for name, arrays in family.items()]).mixtures
        names = list(family)
        return {names[child]: {names[parent] for parent in one.parents} for child, one in mixtures.items()}

    family = {"first": first, "second": second, "cut": trimmed(unknown), "merge": merge}
    assert found(family) == {}
    assert found(family | {"unknown": unknown}) == {"merge": {"first", "unknown"}}
    # A table that was taken from one parent as it is says nothing against the other.
    taken = {"merge": merge | {TOKENS: first[TOKENS]}}
    assert found(family | taken) == {"merge": {"first", "cut"}}
