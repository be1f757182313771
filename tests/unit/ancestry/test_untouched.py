"""Tensors that were left as they are: whose they are, and how many a step changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from operators import cast

from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.search import Search
from lineage.ancestry.trees.untouched import Untouched
from tests.convolutions import convolutional
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(5)
ATTENTION = "attention"


def tuned(arrays: Arrays, seed: int, only: str = "", strength: float = 0.05) -> Arrays:
    """The same with matrices and vectors trained whose names contain `only`."""
    generator = np.random.default_rng(seed)
    steps = {n: strength * (a.std() or 0.05) * generator.standard_normal(a.shape) for n, a in arrays.items()}
    return {n: (a + steps[n]).astype(np.float32) if only in n else a for n, a in arrays.items()}


def untouched(*models: Arrays) -> Untouched:
    return Untouched({k: sketch(arrays, name=f"m{k}") for k, arrays in enumerate(models)})


def test_what_a_child_has_of_its_parent_alone_is_inherited():
    parent = tuned(BASE, 1)
    child = tuned(parent, 2, ATTENTION)
    sibling = tuned(BASE, 3, ATTENTION)
    told = untouched(BASE, parent, child, sibling)
    assert told.is_inherited(2, 1, 0) is True
    assert told.is_inherited(3, 1, 0) is False
    assert untouched(BASE, parent, tuned(parent, 4)).is_inherited(2, 1, 0) is None


def test_what_has_some_of_either_is_open():
    parent = tuned(BASE, 1)
    grafted = parent | {n: a for n, a in BASE.items() if ATTENTION in n}
    assert untouched(BASE, parent, grafted).is_inherited(2, 1, 0) is None


def test_steps_are_shares_of_tensors_and_symmetric():
    told = untouched(BASE, tuned(BASE, 1), tuned(BASE, 2, ATTENTION))
    ends = np.array([0, 0, 1, 2]), np.array([1, 2, 0, 0])
    changed, apart = told.steps(*ends)
    assert (apart[:2] == apart[2:]).all()
    assert told.nearer_by(0, 2, 1) == -told.nearer_by(0, 1, 2) > 0.0
    assert changed[0] == changed[2] == 1.0
    assert 0.0 < changed[1] == changed[3] < 1.0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_frozen_tensor_is_the_same_in_another_type(dtype):
    parent = tuned(BASE, 1)
    child = cast(dtype)(tuned(parent, 2, ATTENTION))
    assert untouched(BASE, parent, child).is_inherited(2, 1, 0) is True


def told(family: Mapping[str, Arrays]) -> set[frozenset[str]]:
    found = measured_edges(Search([sketch(arrays, name=name) for name, arrays in family.items()]))
    ids = {sketch(arrays, name=name).id: name for name, arrays in family.items()}
    return {frozenset((ids[e.parent], ids[e.child])) for e in found}


@pytest.mark.parametrize("turned", [False, True])
def test_a_child_of_which_biases_alone_were_trained_is_no_parent_of_its_siblings(turned):
    """Its matrices are the base's: only what was not trained tells which of the two the others come from."""
    family = {"base": BASE, "biases": tuned(BASE, 1, ".bias")}
    family |= {f"child {k}": tuned(BASE, 10 + k) for k in range(3)}
    names = sorted(family, reverse=turned)
    assert told({name: family[name] for name in names}) == {
        frozenset(("base", name)) for name in family if name != "base"
    }


def test_statistics_of_like_data_make_no_parent():
    """A batch norm keeps figures of the latest data, whatever model it stands in."""
    base = convolutional(1)
    random = np.random.default_rng(2)
    seen = {n: random.gamma(2.0, 0.5, a.shape).astype(np.float32) for n, a in base.items() if "running" in n}

    def with_head(arrays: Arrays, seed: int) -> Arrays:
        head = np.random.default_rng(seed).standard_normal((7, 64))
        return arrays | {"classifier.weight": head.astype(np.float32)}

    family = {"base": base, "probe": with_head(base | seen, 30)}
    family |= {f"like {k}": with_head(tuned(base, 10 + k) | tuned(seen, 20 + k, strength=0.02), 31 + k) for k in (0, 1)}
    sketches = [sketch(arrays, name=name) for name, arrays in family.items()]
    names = {one.id: one.name for one in sketches}
    found = {frozenset((names[e.parent], names[e.child])) for e in measured_edges(Search(sketches))}
    assert found == {frozenset(("base", name)) for name in family if name != "base"}
