"""Norms and biases tell two models of the same matrices apart, as neighbours and as parents of a merge."""

from __future__ import annotations

import numpy as np
import pytest
from operators import magnitude_pruned, matrices

from lineage.ancestry import compare
from lineage.ancestry.merge.by_vectors import has_its_vectors, told_by_vectors
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.vectors import vectors, vectors_apart
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(6)


def moved(arrays: Arrays, seed: int, dims: tuple[int, ...]) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        n: (a + 0.05 * generator.standard_normal(a.shape)).astype(np.float32) if a.ndim in dims else a
        for n, a in arrays.items()
    }


BIASES = moved(BASE, 1, (1,))
CHILDREN = [moved(BASE, seed, (1, 2)) for seed in (2, 3)]


def of(*models: Arrays):
    return [sketch(arrays, name=f"m{i}") for i, arrays in enumerate(models)]


def test_distances_are_symmetric_shares_and_none_to_a_copy():
    apart = vectors_apart([vectors(one) for one in of(BASE, BIASES, moved(BASE, 4, (2,)), encoder(7))])
    assert (apart == apart.T).all()
    assert (apart >= 0.0).all()
    assert (apart <= 1.0).all()
    assert apart[0, 2] == pytest.approx(0.0, abs=1e-7)
    assert apart[0, 1] > 0.01


def total(weights: list[float], models: list[Arrays]) -> Arrays:
    return {n: sum(w * m[n] for w, m in zip(weights, models, strict=True)) for n in BASE}


@pytest.mark.parametrize("chosen", [2, 3])
def test_the_parent_of_a_merge_is_the_one_whose_vectors_explain_it(chosen):
    merge = total([0.7, 0.5, -0.2], [*CHILDREN, BASE])
    sketches = of(*CHILDREN, BASE, BIASES, merge)
    one = Mixture((0, 1, chosen), (0.7, 0.5, -0.2), {}, 0.0, "task arithmetic", task_base=chosen)
    other = 5 - chosen
    found = told_by_vectors(4, _with(one, other), [(chosen, other)], sketches)
    assert found.parents == (0, 1, 2)
    assert found.task_base == 2
    assert found.alternatives == ()


def _with(one: Mixture, other: int) -> Mixture:
    return Mixture(
        one.parents, one.weights, {}, 0.0, one.method, alternatives=((one.parents[-1], other),), task_base=one.task_base
    )


def test_the_base_of_a_trimmed_merge_is_the_one_whose_vectors_it_left():
    merge = {n: np.where(np.arange(a.size).reshape(a.shape) % 5, a, CHILDREN[0][n]) for n, a in BASE.items()}
    sketches = of(*CHILDREN, BASE, BIASES, merge)
    one = Mixture((0, 1, 3), (0.5, 0.5, 0.0), {}, 0.0, "TIES", alternatives=((3, 2),))
    found = told_by_vectors(4, one, [(3, 2)], sketches)
    assert found.parents == (0, 1, 2)
    assert found.base == 2


def test_where_vectors_are_the_same_nothing_changes():
    sketches = of(*CHILDREN, BASE, moved(BASE, 9, (2,)), total([0.7, 0.5, -0.2], [*CHILDREN, BASE]))
    one = Mixture((0, 1, 2), (0.7, 0.5, -0.2), {}, 0.0, "task arithmetic", alternatives=((2, 3),))
    assert told_by_vectors(4, one, [(2, 3)], sketches) == one


@pytest.mark.parametrize(("base", "is_told"), [(2, True), (3, False)])
def test_a_model_with_the_matrices_of_the_base_does_not_stand_in_for_it(base, is_told):
    trimmed = {n: np.where(np.arange(a.size).reshape(a.shape) % 5, a, CHILDREN[0][n]) for n, a in BASE.items()}
    sketches = of(*CHILDREN, BASE, BIASES, total([0.7, 0.5, -0.2], [*CHILDREN, BASE]), trimmed)
    summed = Mixture((0, 1, base), (0.7, 0.5, -0.2), {}, 0.0, "task arithmetic")
    on_base = Mixture((0, 1, base), (0.5, 0.5, 0.0), {}, 0.0, "TIES")
    assert has_its_vectors(4, summed, sketches) is is_told
    assert has_its_vectors(5, on_base, sketches) is is_told


@pytest.mark.parametrize(("base", "is_told"), [(2, True), (3, False)])
def test_where_layers_have_weights_of_their_own_vectors_have_them_too(base, is_told):
    """The tuned half of a model that was mixed with its base: a model of which biases were trained is none."""
    sketches = of(*CHILDREN, BASE, BIASES, total([0.5, 0.5], [CHILDREN[0], BASE]))
    mixed = Mixture((0, base), (0.5, 0.5), {-1: (0.5, 0.5), 0: (0.5, 0.5), 1: (0.5, 0.5)}, 0.0, "layerwise linear")
    assert has_its_vectors(4, mixed, sketches) is is_told


TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(("base", "is_told"), [(2, True), (3, False)])
def test_a_model_of_which_a_table_alone_was_trained_does_not_stand_in_for_the_base(base, is_told):
    trimmed = {n: np.where(np.arange(a.size).reshape(a.shape) % 5, a, CHILDREN[0][n]) for n, a in BASE.items()}
    sketches = of(*CHILDREN, BASE, BASE | {TABLE: moved(BASE, 4, (2,))[TABLE]}, trimmed)
    assert has_its_vectors(4, Mixture((0, 1, base), (0.5, 0.5, 0.0), {}, 0.0, "TIES"), sketches) is is_told


def test_a_merge_may_have_the_table_of_one_of_its_parents():
    trimmed = {n: np.where(np.arange(a.size).reshape(a.shape) % 5, a, CHILDREN[0][n]) for n, a in BASE.items()}
    sketches = of(*CHILDREN, BASE, trimmed | {TABLE: CHILDREN[1][TABLE]})
    assert has_its_vectors(3, Mixture((0, 1, 2), (0.5, 0.5, 0.0), {}, 0.0, "TIES"), sketches)


def test_layers_that_were_taken_whole_have_vectors_of_their_own():
    assert has_its_vectors(0, Mixture((1, 2), (0.5, 0.5), {}, 0.0, "passthrough"), of(encoder(7), BASE, BIASES))


def test_a_pruned_copy_is_no_child_of_a_model_of_which_biases_alone_were_trained():
    pruned = matrices(magnitude_pruned)(BASE)
    assert compare(sketch(pruned), sketch(BASE)).direction == "child"
    assert compare(sketch(pruned), sketch(BIASES)).direction == "undirected"
