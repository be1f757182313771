"""Merges: parents and weights found among all candidates, and nothing where there is no merge."""

from __future__ import annotations

import re

import numpy as np
import pytest
from operators import cast

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merges import find_mixtures, simplex_weights
from tests.synthetic import Arrays, encoder, sketch


def tuned(base: Arrays, seed: int, share: float = 0.1) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * a.std() * generator.standard_normal(a.shape)).astype(np.float32) if a.ndim > 1 else a
        for n, a in base.items()
    }


BASE = encoder(1, 4)
CHILDREN = [tuned(BASE, seed) for seed in range(5)]
OTHERS = {"base": BASE, "stranger": encoder(9, 4)} | {f"child {i}": c for i, c in enumerate(CHILDREN)}


def total(weights: list[float], models: list[Arrays]) -> Arrays:
    return {
        n: np.sum([np.float32(w) * m[n] for w, m in zip(weights, models, strict=True)], axis=0, dtype=np.float32)
        for n in BASE
    }


def dropped(weights: list[float], models: list[Arrays], rate: float) -> Arrays:
    generator = np.random.default_rng(3)
    made = {}
    for n, a in BASE.items():
        moved = [w * (m[n] - a) * (generator.random(a.shape) >= rate) for w, m in zip(weights, models, strict=True)]
        made[n] = (a + np.sum(moved, axis=0) / (1 - rate)).astype(np.float32)
    return made


def layer_of(name: str) -> int | None:
    found = re.search(r"layer\.(\d)\.", name)
    return int(found[1]) if found else None


def found(merge: Arrays) -> tuple[str, dict[str, float]] | None:
    models = {**OTHERS, "merge": merge}
    sketches = [sketch(arrays, name=name) for name, arrays in models.items()]
    (cohort,) = cohorts(sketches)
    mixtures = find_mixtures(cohort)
    names = [sketches[member].name for member in cohort.members]
    assert {names[child] for child in mixtures} <= {"merge"}
    mixture = mixtures.get(names.index("merge"))
    if mixture is None:
        return None
    return mixture.method, {names[p]: w for p, w in zip(mixture.parents, mixture.weights, strict=True)}


@pytest.mark.parametrize("weights", [[0.4, 0.6], [0.2, 0.3, 0.5], [0.1, 0.2, 0.3, 0.4]])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_linear_merge_gives_back_its_weights_with_nothing_named(weights, dtype):
    merge = cast(dtype)(total(weights, CHILDREN[: len(weights)]))
    method, parts = found(merge)
    assert method == "linear"
    assert parts == {f"child {i}": pytest.approx(w, abs=0.01) for i, w in enumerate(weights)}


def test_weights_that_change_from_layer_to_layer_are_found():
    share = {n: 0.5 if layer_of(n) is None else 0.2 + 0.2 * layer_of(n) for n in BASE}
    merge = {n: (np.float32(1 - s) * CHILDREN[0][n] + np.float32(s) * CHILDREN[1][n]) for n, s in share.items()}
    method, parts = found(merge)
    assert method == "slerp"
    assert set(parts) == {"child 0", "child 1"}


def test_layers_of_two_models_are_a_passthrough():
    merge = {n: (CHILDREN[0] if (layer_of(n) or 0) < 2 else CHILDREN[3])[n] for n in BASE}
    method, parts = found(merge)
    assert method == "passthrough"
    assert set(parts) == {"child 0", "child 3"}


def test_task_arithmetic_names_its_base_with_what_is_left():
    merge = total([0.5, 0.5, 0.5, -0.5], [*CHILDREN[:3], BASE])
    method, parts = found(merge)
    assert method == "task arithmetic"
    assert parts == {name: pytest.approx(w, abs=0.01) for name, w in
                     (("child 0", 0.5), ("child 1", 0.5), ("child 2", 0.5), ("base", -0.5))}  # fmt: skip


def test_dropped_differences_name_parents_and_base():
    method, parts = found(dropped([0.3, 0.3, 0.4], CHILDREN[:3], 0.6))
    assert method.startswith("sparse")
    assert set(parts) == {"child 0", "child 1", "child 2", "base"}


@pytest.mark.parametrize(
    "arrays", [tuned(BASE, 77), tuned(CHILDREN[0], 78), encoder(5, 4)], ids=["child", "grandchild", "unrelated"]
)
def test_what_is_no_merge_is_not_called_one(arrays):
    assert found(arrays) is None


def test_the_base_is_no_merge_of_children_that_changed_different_parts():
    first = {n: CHILDREN[0][n] if layer_of(n) is None else BASE[n] for n in BASE}
    second = {n: BASE[n] if layer_of(n) is None else CHILDREN[1][n] for n in BASE}
    sketches = [sketch(a, name=n) for n, a in (("base", BASE), ("first", first), ("second", second))]
    (cohort,) = cohorts(sketches)
    assert 0 not in {cohort.members[child] for child in find_mixtures(cohort)}


def test_weights_stay_on_the_simplex_and_minimise():
    generator = np.random.default_rng(4)
    for _ in range(50):
        offsets = generator.standard_normal((5, 8)) + generator.standard_normal(8)
        gram = offsets @ offsets.T
        weights = simplex_weights(gram)
        assert weights.sum() == pytest.approx(1)
        assert (weights >= 0).all()
        others = generator.dirichlet(np.ones(5), 200)
        assert (np.einsum("ij,jk,ik->i", others, gram, others) >= weights @ gram @ weights - 1e-9).all()
