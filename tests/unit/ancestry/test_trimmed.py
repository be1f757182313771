"""TIES, DARE and their kin: parents, weights and method come back, whatever was dropped and however it was stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from operators import cast, magnitude_pruned, matrices

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.mixtures import find_mixtures
from lineage.ancestry.merge.ratios import BRAIN, HALF, SINGLE, constant_ratio, grain, window_of
from lineage.types import Float32Array
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(1, 6)


def tuned(base: Arrays, seed: int, share: float = 0.15) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * a.std() * generator.standard_normal(a.shape)).astype(np.float32) if a.ndim > 1 else a
        for n, a in base.items()
    }


CHILDREN = [tuned(BASE, seed) for seed in range(6)]
FAMILY = [sketch(BASE, name="base"), *(sketch(child, name=f"child {i}") for i, child in enumerate(CHILDREN))]


def trimmed(delta: Float32Array, density: float, _: np.random.Generator | None) -> Float32Array:
    return np.where(np.abs(delta) >= np.quantile(np.abs(delta), 1 - density), delta, np.float32(0))


def dropped(delta: Float32Array, density: float, generator: np.random.Generator) -> Float32Array:
    return np.where(generator.random(delta.shape) < density, delta / np.float32(density), np.float32(0))


def summed(deltas: Float32Array, weights: Float32Array) -> Float32Array:
    return (deltas * weights).sum(axis=0)


def agreed(deltas: Float32Array, weights: Float32Array | float) -> Float32Array:
    weighted = deltas * weights
    return (np.sign(weighted) == np.sign(weighted.sum(axis=0))) & (weighted != 0)


def elected(deltas: Float32Array, weights: Float32Array | float) -> Float32Array:
    return np.where(agreed(deltas, weights), deltas * weights, 0).sum(axis=0)


def elected_mean(deltas: Float32Array, weights: Float32Array | float) -> Float32Array:
    share = np.where(agreed(deltas, weights), weights, 0).sum(axis=0)
    return elected(deltas, weights) / np.where(share > 0, share, 1)


def merged(thin, combine, weights: Sequence[float], density: float, base: Arrays = BASE) -> Arrays:
    generator = np.random.default_rng(5)
    made = {}
    for name, array in base.items():
        thinned = [thin(m[name] - array, density, generator) for m in CHILDREN[: len(weights)]]
        shares = np.array(weights, np.float32).reshape(-1, *[1] * array.ndim)
        made[name] = (array + combine(np.stack(thinned), shares)).astype(np.float32)
    return made


def found(merge: Arrays, **more: Arrays) -> tuple[str, float, dict[str, float]] | None:
    sketches = [*FAMILY, *(sketch(arrays, name=name) for name, arrays in {**more, "merge": merge}.items())]
    (cohort,) = cohorts(sketches)
    names = [sketches[member].name for member in cohort.members]
    mixtures = {names[child]: one for child, one in find_mixtures(cohort).items()}
    assert mixtures.keys() <= {"merge"}
    one = mixtures.get("merge")
    if one is None:
        return None
    return one.method, one.density or 1.0, {names[p]: w for p, w in zip(one.parents, one.weights, strict=True)}


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("weights", [[0.6, 0.4], [0.5, 0.3, 0.2], [0.4, 0.3, 0.2, 0.1]], ids=len)
@pytest.mark.parametrize(
    ("method", "thin", "combine"),
    [
        ("TIES", trimmed, elected),
        ("TIES", trimmed, elected_mean),
        ("DARE", dropped, summed),
        ("DARE-TIES", dropped, elected),
        ("DARE-TIES", dropped, elected_mean),
    ],
    ids=["ties", "ties-mean", "dare", "dare-ties", "dare-ties-mean"],
)
def test_parents_weights_and_method_come_back(method, thin, combine, weights, density):
    said, kept, parts = found(merged(thin, combine, weights, density))
    assert said == method
    assert kept == pytest.approx(density, abs=0.08)
    assert parts.keys() == {"base", *(f"child {i}" for i in range(len(weights)))}
    assert [parts[f"child {i}"] for i in range(len(weights))] == pytest.approx(weights, abs=0.03)


@pytest.mark.parametrize(("combine", "is_mean"), [(elected, False), (elected_mean, True)])
def test_a_mean_of_what_was_kept_is_told_from_a_sum(combine, is_mean):
    sketches = [*FAMILY, sketch(merged(trimmed, combine, [0.6, 0.4], 0.5), name="merge")]
    (cohort,) = cohorts(sketches)
    (one,) = find_mixtures(cohort).values()
    assert (one.is_mean, one.origin) == (is_mean, 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("thin", "combine"), [(trimmed, elected_mean), (dropped, summed)], ids=["ties", "dare"])
def test_a_merge_that_was_rounded_afterwards_is_found(thin, combine, dtype):
    merge = cast(dtype)(merged(thin, combine, [0.6, 0.4], 0.5))
    _, _, parts = found(merge)
    assert parts == {
        "child 0": pytest.approx(0.6, abs=0.04),
        "child 1": pytest.approx(0.4, abs=0.04),
        "base": pytest.approx(0.0, abs=0.06),
    }


def test_a_merge_of_rounded_models_names_the_rounded_ones():
    narrow = [cast("bfloat16")(model) for model in (BASE, *CHILDREN[:2])]
    rounded = [{n: a.astype(np.float32) for n, a in model.items()} for model in narrow]
    merge = {
        n: rounded[0][n] + elected_mean(np.stack([trimmed(r[n] - rounded[0][n], 0.5, None) for r in rounded[1:]]), 0.5)
        for n in BASE
    }
    sketches = [*FAMILY, *(sketch(r, name=f"rounded {i}") for i, r in enumerate(rounded)), sketch(merge, name="merge")]
    (cohort,) = cohorts(sketches)
    names = [sketches[member].name for member in cohort.members]
    found = find_mixtures(cohort, [i for i, name in enumerate(names) if name.startswith("rounded")])
    assert {names[child]: {names[p] for p in one.parents} for child, one in found.items()} == {
        "merge": {"rounded 0", "rounded 1", "rounded 2"},
    }


def test_other_merges_of_the_same_parents_are_not_taken_for_them():
    first, second = merged(trimmed, elected_mean, [0.5, 0.3, 0.2], 0.5), merged(dropped, elected, [0.6, 0.4], 0.4)
    sketches = [*FAMILY, sketch(first, name="1"), sketch(second, name="2")]
    (cohort,) = cohorts(sketches)
    names = [sketches[member].name for member in cohort.members]
    mixtures = {names[child]: {names[p] for p in one.parents} for child, one in find_mixtures(cohort).items()}
    assert mixtures == {
        "1": {"base", "child 0", "child 1", "child 2"},
        "2": {"base", "child 0", "child 1"},
    }


def test_a_fine_tune_of_a_merge_is_no_merge():
    merge = merged(trimmed, elected_mean, [0.5, 0.5], 0.5)
    assert found(tuned(merge, 40, 0.02)) is None


def halved(array: Float32Array) -> Float32Array:
    return np.where(np.abs(array) >= np.median(np.abs(array)), array, np.float32(0))


def test_pruned_relatives_are_no_merge_of_each_other():
    pruned = matrices(halved)
    assert found(pruned(BASE), other=pruned(CHILDREN[0]), healed=pruned(tuned(BASE, 50, 0.02))) is None


def sparse(base: Arrays, seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    return {n: np.where(generator.random(a.shape) < 0.3, 1.1 * a, a).astype(np.float32) for n, a in base.items()}


def test_the_base_of_sparse_updates_is_no_merge_of_them():
    models = {"base": BASE, **{f"sparse {i}": sparse(BASE, i) for i in range(4)}}
    sketches = [sketch(arrays, name=name) for name, arrays in models.items()]
    (cohort,) = cohorts(sketches)
    assert find_mixtures(cohort) == {}


@pytest.mark.parametrize(("dtype", "rounding"), [("float32", SINGLE), ("float16", HALF), ("bfloat16", BRAIN)])
def test_the_type_shows_in_the_spacing_of_values_that_were_scaled(dtype, rounding):
    values = np.random.default_rng(0).standard_normal(400)
    for scale in (1.0, 0.7, 123.4):
        assert grain(cast(dtype)({"x": values.astype(np.float32)})["x"].astype(np.float64) * scale) == rounding


def test_a_constant_among_ratios_is_found_and_chance_has_none():
    generator = np.random.default_rng(1)
    top, bottom = generator.standard_normal((2, 5000))
    error = np.full(5000, 1e-7)
    assert constant_ratio(top, bottom, error, window_of(SINGLE)) is None
    top[:60] = 0.37 * bottom[:60]
    constant = constant_ratio(top, bottom, error, window_of(SINGLE))
    assert constant.value == pytest.approx(0.37, rel=1e-5)
    assert constant.count == pytest.approx(60, abs=8)


def test_a_pruned_copy_of_a_base_that_is_not_there_is_no_merge_of_what_was_made_of_it():
    """The base is a mean of a child and that one's negation, and a merge keeps its values where both were trimmed."""
    negation = {n: (1.6 * a - 0.6 * CHILDREN[0][n]).astype(np.float32) for n, a in BASE.items()}
    models = {"negation": negation, "child": CHILDREN[0], "ties": merged(trimmed, elected_mean, [0.5, 0.5], 0.3)}
    models |= {"pruned": matrices(magnitude_pruned)(BASE)}
    (cohort,) = cohorts([sketch(arrays, name=name) for name, arrays in models.items()])
    assert cohort.members.index(3) not in find_mixtures(cohort)


@pytest.mark.parametrize(
    ("thin", "combine", "is_parent"), [(trimmed, elected, False), (dropped, summed, False), (dropped, summed, True)]
)
def test_a_pruned_copy_is_a_parent_only_of_what_was_made_of_it(thin, combine, is_parent):
    """Its source gives the same values but where it was pruned."""
    pruned = matrices(magnitude_pruned)(CHILDREN[1])
    family = [BASE, CHILDREN[0], pruned, *CHILDREN[2:]]
    generator, merge = np.random.default_rng(5), {}
    for name, array in BASE.items():
        other = pruned if is_parent else CHILDREN[1]
        thinned = [thin(one[name] - array, 0.5, generator) for one in (CHILDREN[0], other)]
        merge[name] = (array + combine(np.stack(thinned), np.float32(1.0))).astype(np.float32)
    sketches = [sketch(one, name=str(k)) for k, one in enumerate([*family, merge])]
    (cohort,) = cohorts(sketches)
    mixtures = {cohort.members[k]: {cohort.members[p] for p in m.parents} for k, m in find_mixtures(cohort).items()}
    assert mixtures == ({7: {0, 1, 2}} if is_parent else {})
