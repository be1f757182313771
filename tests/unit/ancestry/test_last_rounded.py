"""Which of the models that one exact sum joins was computed: rounding tells, for sums, negations and task vectors."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry.geometry import Cohort, cohorts
from lineage.ancestry.merge.last_rounded import is_last_rounded
from lineage.ancestry.merge.mixtures import find_mixtures
from lineage.ancestry.merge.replayed import is_replayed
from tests.synthetic import Arrays, encoder, sketch

TYPES = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
BASE = encoder(3)


def tuned(seed: int, share: float = 0.2) -> Arrays:
    """A child of the base, whose vectors moved as well."""
    generator = np.random.default_rng(seed)
    return {n: a + share * (a.std() or 0.05) * generator.standard_normal(a.shape) for n, a in BASE.items()}


def stored(dtype: np.dtype[np.generic], *models: Arrays) -> list[Arrays]:
    return [{n: np.asarray(a).astype(dtype) for n, a in model.items()} for model in models]


def combined(weights: list[float], models: list[Arrays], dtype: np.dtype[np.generic]) -> Arrays:
    """The last model and weighted differences to it, in single precision, rounded once more as it is stored."""
    *others, base = [{n: a.astype(np.float32) for n, a in model.items()} for model in models]
    total = {n: a.copy() for n, a in base.items()}
    for weight, other in zip(weights, others, strict=False):
        for n, a in base.items():
            total[n] += np.float32(weight) * (other[n] - a)
    return stored(dtype, total)[0]


def cohort_of(models: list[Arrays]) -> Cohort:
    (cohort,) = cohorts([sketch(arrays, name=f"m{i}") for i, arrays in enumerate(models)])
    return cohort


def turned(weights: list[float], place: int) -> list[float]:
    """The weights of the same sum with the term at `place` as what it makes, and the sum in the place of that."""
    return [(1.0 if k == place else -w) / weights[place] for k, w in enumerate(weights)]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("weights", [[0.4, 0.6], [-0.6, 1.6], [1.0, -0.5, 0.5], [0.7, 0.5, -0.2]], ids=str)
def test_no_term_is_taken_for_the_sum(dtype, weights):
    models = stored(dtype, tuned(1), tuned(2), BASE)[-len(weights) :]
    child = combined(weights, models, dtype)
    cohort = cohort_of([child, *models])
    terms = list(range(1, len(models) + 1))
    assert is_last_rounded(cohort, 0, terms, weights) is not False
    for place, term in enumerate(terms):
        others = [0 if other == term else other for other in terms]
        assert not is_last_rounded(cohort, term, others, turned(weights, place))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_base_between_its_child_and_the_negation_of_that_is_told(dtype):
    """The base is a mean of the two, exactly so: of the three it was not computed."""
    base, child = stored(dtype, BASE, tuned(1))
    negation = combined([-0.6, 1.6], [child, base], dtype)
    cohort = cohort_of([base, negation, child])
    assert is_last_rounded(cohort, 0, [1, 2], [1 / 1.6, 0.6 / 1.6]) is False
    assert is_last_rounded(cohort, 1, [0, 2], [1.6, -0.6]) is not False


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_base_is_no_merge_of_its_child_and_the_negation_of_that(dtype):
    base, first, second = stored(dtype, BASE, tuned(1), tuned(2))
    negation = combined([-0.6, 1.6], [first, base], dtype)
    found = find_mixtures(cohort_of([base, first, second, negation]))
    assert found.keys() == {3}
    assert set(found[3].parents) == {0, 1}
    assert (
        found[3].base is None
    )  # the base moved away from the child, or the child from a base: the values are the same


def test_what_no_rounding_left_is_not_judged():
    cohort = cohort_of(stored(TYPES[0], BASE, tuned(1), tuned(2)))
    assert is_last_rounded(cohort, 0, [1, 2], [0.5, 0.5]) is None


def test_equal_models_tell_nothing():
    cohort = cohort_of(stored(TYPES[0], BASE, BASE, BASE))
    assert is_last_rounded(cohort, 0, [1, 2], [0.5, 0.5]) is None


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("weights", [[0.6, 0.5, 0.4, -0.5], [0.7, 0.6, -0.3]], ids=str)
def test_a_sum_comes_out_when_it_is_computed_again_and_its_terms_do_not(dtype, weights):
    models = stored(dtype, tuned(1), tuned(2), tuned(3), BASE)[-len(weights) :]
    cohort = cohort_of([combined(weights, models, dtype), *models])
    terms = list(range(1, len(models) + 1))
    assert is_replayed(cohort, 0, terms, weights) is not False
    told = [is_replayed(cohort, term, [0 if k == term else k for k in terms], turned(weights, place))
            for place, term in enumerate(terms)]  # fmt: skip
    assert True not in told
    if dtype == TYPES[0]:
        assert is_replayed(cohort, 0, terms, weights) is True


@pytest.mark.parametrize("narrow", TYPES[1:], ids=str)
def test_a_term_in_a_narrow_type_is_given_back_by_its_rounding_and_was_not_computed(narrow):
    """Of a sum in single precision, such a term comes out whatever the others are; the sum does not by chance."""
    (first,), (second, base) = stored(narrow, tuned(1)), stored(TYPES[0], tuned(2), BASE)
    weights = [0.4, 0.4, 0.2]
    cohort = cohort_of([combined(weights, [first, second, base], TYPES[0]), first, second, base])
    assert is_replayed(cohort, 0, [1, 2, 3], weights) is True
    assert is_replayed(cohort, 1, [0, 2, 3], turned(weights, 0)) is not True


def random_sum(generator: np.random.Generator) -> tuple[Cohort, list[float]]:
    """A sum of two or three vectors of any type, computed in any order and precision, and its weights."""
    count, dtype = int(generator.choice([800, 4000])), TYPES[generator.integers(3)]
    arithmetic = [np.dtype(np.float64), np.dtype(np.float32), dtype][generator.integers(3)]
    base = 0.03 * generator.standard_normal(count)
    step = 0.03 * 10 ** generator.uniform(-2.5, -0.5)
    terms = [
        (base + step * generator.standard_normal(count)).astype(dtype) for _ in range(int(generator.integers(1, 3)))
    ]
    terms.append(base.astype(dtype))
    others = generator.choice([-0.6, 0.3, 0.5, 0.7, 1.0], len(terms) - 1).tolist()
    weights = [*others, 1.0 - sum(others)]
    wide = [term.astype(arithmetic) for term in terms]
    if generator.random() < 0.5:
        total = wide[-1]
        for weight, term in zip(others, wide, strict=False):
            total = (total + (arithmetic.type(weight) * (term - wide[-1])).astype(arithmetic)).astype(arithmetic)
    else:
        total = np.zeros(count, arithmetic)
        for weight, term in zip(weights, wide, strict=True):
            total = (total + (term * arithmetic.type(weight)).astype(arithmetic)).astype(arithmetic)
    points = np.stack([one.astype(np.float64) for one in (total.astype(dtype), *terms)])
    places, empty = np.zeros(count, np.int64), np.zeros((1, len(points), len(points)), np.float32)
    return Cohort(tuple(range(len(points))), (), points, places, places, np.ones(1), empty, np.ones(1)), weights


@pytest.mark.parametrize("seed", range(100))
def test_whatever_the_arithmetic_no_sum_is_called_a_term(seed):
    cohort, weights = random_sum(np.random.default_rng(seed))
    if min(abs(weight) for weight in weights) > 0.0:
        assert is_last_rounded(cohort, 0, list(range(1, len(weights) + 1)), weights) is not False


@pytest.mark.parametrize("narrow", TYPES[1:], ids=str)
def test_a_narrow_term_is_no_sum_of_the_sums_that_were_made_of_it_and_of_an_unknown_model(narrow):
    """Each sum gives it back up to its own rounding, by weights such as 5/3."""
    (first,), (base, unknown) = stored(narrow, tuned(1)), stored(TYPES[0], BASE, tuned(2))
    one = combined([0.6, 0.4], [first, unknown], TYPES[0])
    other = combined([0.5, 0.5], [base, unknown], TYPES[0])
    assert find_mixtures(cohort_of([base, first, one, other])) == {}
    found = find_mixtures(cohort_of([base, first, one, unknown]))
    assert {child: {*mixture.parents} for child, mixture in found.items()} == {2: {1, 3}}


@pytest.mark.parametrize("narrow", TYPES[1:], ids=str)
def test_a_sum_may_be_stored_in_a_narrower_type_than_its_terms(narrow):
    first, second = stored(TYPES[0], tuned(1), tuned(2))
    found = find_mixtures(
        cohort_of([*stored(TYPES[0], BASE), first, second, combined([0.3, 0.7], [first, second], narrow)])
    )
    assert {child: {*mixture.parents} for child, mixture in found.items()} == {3: {1, 2}}


def test_what_is_added_to_a_base_and_what_is_weighed_are_told_apart_by_their_rounding():
    """The weights of a base and of two differences from it sum to one, too: as of a merge of three."""
    base, first, second = stored(TYPES[0], BASE, tuned(1), tuned(2))
    added = combined([0.4, 0.4], [first, second, base], TYPES[0])
    weights = [np.float32(weight) for weight in (0.2, 0.4, 0.4)]
    weighed = {n: weights[0] * base[n] + weights[1] * first[n] + weights[2] * second[n] for n in base}
    for merge, method in ((added, "task arithmetic"), (weighed, "linear")):
        found = find_mixtures(cohort_of([base, first, second, merge]))
        assert {child: (one.method, {*one.parents}) for child, one in found.items()} == {3: (method, {0, 1, 2})}
    narrow = stored(TYPES[1], added)[0]  # the steps do not show in it
    (found,) = find_mixtures(cohort_of([base, first, second, narrow])).values()
    assert found.method == "linear"
