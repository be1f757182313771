"""Merges: parents and weights found among all candidates, and nothing where there is no merge."""

from __future__ import annotations

import re

import networkx as nx
import numpy as np
import pytest
from operators import cast

from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merge.great_circles import lies_on_circle
from lineage.ancestry.merge.mixtures import Mixture, find_mixtures
from lineage.ancestry.merge.simplex import least_left, simplex_weights
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
SKETCHES = [sketch(arrays, name=name) for name, arrays in OTHERS.items()]


def total(weights: list[float], models: list[Arrays]) -> Arrays:
    return {
        n: np.sum([np.float32(w) * m[n] for w, m in zip(weights, models, strict=True)], axis=0, dtype=np.float32)
        for n in BASE
    }


def layer_of(name: str) -> int | None:
    found = re.search(r"layer\.(\d)\.", name)
    return int(found[1]) if found else None


def mixture_of(merge: Arrays, **more: Arrays) -> tuple[Mixture | None, list[str]]:
    """What the merge is found to be among the others, of which none may be called one, and the members' names."""
    sketches = [*SKETCHES, *(sketch(arrays, name=name) for name, arrays in {**more, "merge": merge}.items())]
    (cohort,) = cohorts(sketches)
    mixtures = find_mixtures(cohort)
    names = [sketches[member].name for member in cohort.members]
    assert {names[child] for child in mixtures} <= {"merge"}
    return mixtures.get(names.index("merge")), names


def found(merge: Arrays) -> tuple[str, dict[str, float]] | None:
    mixture, names = mixture_of(merge)
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


GRADED = {n: 0.5 if layer_of(n) is None else 0.2 + 0.2 * layer_of(n) for n in BASE}


def along(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The point of the chord between two tensors."""
    return np.float32(1 - share) * a + np.float32(share) * b


def around(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The point of the great circle between two tensors (Shoemake 1985)."""
    angle = np.arccos(np.clip((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    if angle < 1e-4:
        return along(a, b, share)
    ends = np.sin([(1 - share) * angle, share * angle]) / np.sin(angle)
    return (ends[0] * a + ends[1] * b).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("blend", "word"), [(along, "layerwise linear"), (around, "slerp")])
def test_weights_that_change_from_layer_to_layer_are_found(blend, word, dtype):
    merge = cast(dtype)({n: blend(CHILDREN[0][n], CHILDREN[1][n], share) for n, share in GRADED.items()})
    mixture, names = mixture_of(merge)
    assert mixture.method == word
    assert {names[parent] for parent in mixture.parents} == {"child 0", "child 1"}
    second = [names[parent] for parent in mixture.parents].index("child 1")
    assert {layer: weights[second] for layer, weights in mixture.by_layer.items() if layer >= 0} == {
        layer: pytest.approx(0.2 + 0.2 * layer, abs=0.02) for layer in range(4)
    }


@pytest.mark.parametrize(("blend", "word"), [(along, "linear"), (around, "slerp")])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_one_weight_for_all_layers_is_told_from_the_great_circle(blend, word, share):
    method, parts = found({n: blend(CHILDREN[0][n], CHILDREN[1][n], share) for n in BASE})
    assert method == word
    assert parts == {"child 0": pytest.approx(1 - share, abs=0.01), "child 1": pytest.approx(share, abs=0.01)}


def test_a_circle_that_rounding_hides_is_called_linear():
    """Parents so near that the bulge is far below a step of bfloat16: both blends give the same values."""
    near = [tuned(BASE, seed, 0.004) for seed in (50, 51)]
    for blend in (along, around):
        merge = cast("bfloat16")({n: blend(near[0][n], near[1][n], 0.5) for n in BASE})
        points = [np.concatenate([m[n].astype(np.float64).reshape(-1) for n in BASE]) for m in (merge, *near)]
        tensors = np.repeat(np.arange(len(BASE)), [a.size for a in BASE.values()])
        assert not lies_on_circle(*points, tensors)


def test_task_arithmetic_names_its_base_with_what_is_left():
    merge = total([0.5, 0.5, 0.5, -0.5], [*CHILDREN[:3], BASE])
    method, parts = found(merge)
    assert method == "task arithmetic"
    assert parts == {name: pytest.approx(w, abs=0.01) for name, w in
                     (("child 0", 0.5), ("child 1", 0.5), ("child 2", 0.5), ("base", -0.5))}  # fmt: skip


@pytest.mark.parametrize("weights", [[0.9, 0.7], [0.6, 0.6, 0.6, 0.4]])
def test_task_arithmetic_is_found_with_any_number_of_parents(weights):
    merge = total([*weights, 1 - sum(weights)], [*CHILDREN[: len(weights)], BASE])
    method, parts = found(merge)
    assert method == "task arithmetic"
    assert parts == {f"child {i}": pytest.approx(w, abs=0.01) for i, w in enumerate(weights)} | {
        "base": pytest.approx(1 - sum(weights), abs=0.01)
    }


def test_a_model_on_the_way_to_another_is_not_taken_for_the_base_of_both():
    """Its own differences to the base and to the other stand at a right angle, as those of two children do."""
    further = tuned(CHILDREN[0], 40, 0.12)
    mixture, names = mixture_of(total([0.7, 0.6, -0.3], [CHILDREN[0], further, BASE]), further=further)
    assert {names[p] for p in mixture.parents} == {"child 0", "further", "base"}
    assert mixture.base is None or names[mixture.base] == "base"


def test_a_negative_weight_is_found_too():
    method, parts = found(total([0.7, -0.3, 0.5, 0.1], [*CHILDREN[:3], BASE]))
    assert method == "task arithmetic"
    assert parts["child 1"] == pytest.approx(-0.3, abs=0.01)


def test_of_a_merge_of_a_merge_the_fewest_parents_are_named_and_the_others_are_alternatives():
    half = total([0.6, 0.4], CHILDREN[:2])
    merge = total([0.5, 0.5], [half, CHILDREN[2]])
    sketches = [*SKETCHES, sketch(half, name="half"), sketch(merge, name="merge")]
    (cohort,) = cohorts(sketches)
    names = [sketches[member].name for member in cohort.members]
    mixtures = {names[child]: one for child, one in find_mixtures(cohort).items()}
    assert mixtures.keys() == {"half", "merge"}
    assert {names[p] for p in mixtures["half"].parents} == {"child 0", "child 1"}
    assert {names[p] for p in mixtures["merge"].parents} == {"half", "child 2"}
    assert {(names[a], names[b]) for a, b in mixtures["merge"].alternatives} == {
        ("half", "child 0"), ("half", "child 1"),
    }  # fmt: skip


def test_a_parent_that_was_rounded_is_named_beside_the_one_chosen():
    mixture, names = mixture_of(total([0.5, 0.5], CHILDREN[:2]), rounded=cast("bfloat16")(CHILDREN[0]))
    assert {names[p] for p in mixture.parents} == {"child 0", "child 1"}
    assert {(names[a], names[b]) for a, b in mixture.alternatives} == {("child 0", "rounded")}


def test_nothing_descends_from_itself():
    models = {
        "first": total([0.5, 0.5], CHILDREN[:2]),
        "second": total([0.75, 0.25], CHILDREN[:2]),
        "third": total([0.9, 0.1], CHILDREN[:2]),
    }
    sketches = [*SKETCHES, *(sketch(arrays, name=name) for name, arrays in models.items())]
    (cohort,) = cohorts(sketches)
    lines = nx.DiGraph((p, child) for child, one in find_mixtures(cohort).items() for p in one.parents)
    assert nx.is_directed_acyclic_graph(lines)


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


def test_a_sum_of_copies_of_its_parents_is_not_called_their_merge():
    """Another model stands near a parent that is not there: what it leaves is more than rounding."""
    merge = total([0.5, 0.5], [tuned(CHILDREN[0], 90, 0.01), CHILDREN[1]])
    assert found(total([0.5, 0.5], CHILDREN[:2]))
    assert found(merge) is None


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


def test_no_weights_of_one_sign_leave_less_than_the_bound():
    generator = np.random.default_rng(5)
    for count in (2, 5, 12):
        for dims in (3, 8, 40):  # in three dimensions twelve points lie between one another
            offsets = generator.standard_normal((count, dims)) + 0.1 * generator.standard_normal(dims)
            gram = offsets @ offsets.T
            weights = simplex_weights(gram)
            assert least_left(gram) <= weights @ gram @ weights + 1e-12 * np.trace(gram)
    far = 5.0 + np.eye(4)  # a sum of these leaves much: the bound says so
    assert least_left(far) == pytest.approx(5.25)
