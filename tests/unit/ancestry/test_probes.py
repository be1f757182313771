"""A model with another head on the same layers is nobody's parent, if the model with these layers keeps its own."""

from __future__ import annotations

import numpy as np
import pytest
from operators import matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.merge.by_vectors import has_its_tables
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.probes import probes
from lineage.ancestry.trees.search import Search
from tests.synthetic import HIDDEN, Arrays, encoder, sketch

BODY = encoder(1)


def headed(body: Arrays, classes: int, seed: int) -> Arrays:
    head = 0.05 * np.random.default_rng(seed).standard_normal((classes, HIDDEN))
    return body | {"classifier.weight": head.astype(np.float32)}


def tuned(body: Arrays, seed: int) -> Arrays:
    return matrices(noise(0.05, seed=seed))(body)


BASE = headed(BODY, 40, 2)
FAMILY = {"base": BASE, "probe": headed(BODY, 16, 3)}
FAMILY |= {f"task {k}": headed(tuned(BODY, 10 + k), 16, 20 + k) for k in range(4)}
FAMILY |= {f"other {k}": headed(tuned(BODY, 30 + k), 6, 40 + k) for k in range(3)}
GOES_ON = {"goes on": tuned(BASE, 50)}


def found(family: dict[str, Arrays]) -> dict[str, set[str]]:
    names = list(family)
    field = Search([sketch(arrays, name=name) for name, arrays in family.items()]).field
    return {names[k]: {names[one] for one in those} for k, those in probes(field, range(len(names))).items()}


@pytest.mark.parametrize("more", [{}, GOES_ON], ids=["all heads are new", "one keeps the head"])
def test_children_hang_on_the_model_whose_head_did_not_fit_them(more):
    family = FAMILY | more
    assert found(family) == {"probe": {"base"}}
    sketches = [sketch(arrays, name=name) for name, arrays in family.items()]
    names = {one.id: one.name for one in sketches}
    edges = {frozenset((names[e.parent], names[e.child])) for e in measured_edges(Search(sketches))}
    assert edges == {frozenset(("base", name)) for name in family if name != "base"}


def test_a_model_whose_head_is_kept_is_no_probe():
    kept = {"on": tuned(FAMILY["probe"], 60)}
    assert found(FAMILY | kept) == {}
    assert found(FAMILY | kept | GOES_ON) == {}


def test_trained_norms_or_layers_make_no_twin():
    moved = {n: a * 1.1 if a.ndim == 1 else a for n, a in FAMILY["probe"].items()}
    assert found(FAMILY | {"probe": {n: a.astype(np.float32) for n, a in moved.items()}}) == {}
    assert found(FAMILY | {"probe": headed(tuned(BODY, 70), 16, 3)}) == {}


def test_a_narrow_copy_was_not_computed_from_a_model_with_the_same_layers_and_another_head():
    narrow = {n: a.astype(np.float16).astype(np.float32) for n, a in BASE.items()}
    assert compare(sketch(narrow), sketch(BASE)).direction == "child"
    assert compare(sketch(narrow), sketch(FAMILY["probe"])).direction == "undirected"


def test_a_head_in_a_shape_that_no_parent_has_is_of_an_unknown_model():
    parents = [FAMILY["task 0"], FAMILY["task 1"]]
    mean = {n: 0.5 * a + 0.5 * parents[1][n] for n, a in parents[0].items()}
    mixture = Mixture((1, 2), (0.5, 0.5), {}, 0.0, "linear")
    for merge, may_be in ((mean, True), (headed(mean, 16, 80), True), (headed(mean, 40, 80), False)):
        assert has_its_tables(0, mixture, [sketch(one) for one in (merge, *parents)]) is may_be
