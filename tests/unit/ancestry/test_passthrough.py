"""Passthrough merges: layers of several models in any order, and nothing where one model explains them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from operators import cast

from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.passthrough import find_stacks
from tests.synthetic import Arrays, encoder, sketch

_LAYER = re.compile(r"(.*layer\.)(\d+)(\..*)")
BASE = encoder(1, 6)


def tuned(base: Arrays, seed: int, layers: range = range(6)) -> Arrays:
    """All of a model trained on, or some of its layers only."""
    generator = np.random.default_rng(seed)
    return {
        n: (a + 0.15 * a.std() * generator.standard_normal(a.shape)).astype(np.float32) if _moves(n, layers) else a
        for n, a in base.items()
    }


def _moves(name: str, layers: range) -> bool:
    found = _LAYER.match(name)
    return len(layers) == 6 if found is None else int(found[2]) in layers


def stacked(order: list[tuple[Arrays, int]]) -> Arrays:
    """Layers in this order of (model, its layer); the rest from the first."""
    made = {n: a for n, a in order[0][0].items() if not _LAYER.match(n)}
    for new, (model, old) in enumerate(order):
        for name, array in model.items():
            found = _LAYER.match(name)
            if found and int(found[2]) == old:
                made[f"{found[1]}{new}{found[3]}"] = array
    return made


A, B = tuned(BASE, 2), tuned(BASE, 3)
STACK = stacked([*((A, i) for i in range(4)), *((B, i) for i in range(2, 6))])
SWAP = stacked([(A, 0), (A, 1), (B, 2), (B, 3), (A, 4), (B, 5)])


def found(**models: Arrays) -> dict[str, tuple[Mixture, list[str]]]:
    sketches = [sketch(arrays, name=name) for name, arrays in models.items()]
    names = [one.name for one in sketches]
    return {names[child]: (one, [names[p] for p in one.parents]) for child, one in find_stacks(sketches).items()}


def maps(one: Mixture, parents: list[str]) -> dict[str, list[tuple[int, int]]]:
    return {parent: list(pairs) for parent, pairs in zip(parents, one.layer_maps, strict=True)}


def test_a_deeper_stack_gives_its_parents_their_shares_and_their_layers():
    ((name, (one, parents)),) = found(base=BASE, a=A, b=B, c=tuned(BASE, 4), stack=STACK).items()
    assert name == "stack"
    assert dict(zip(parents, one.weights, strict=True)) == {"a": 0.5, "b": 0.5}
    assert maps(one, parents) == {"a": [(i, i) for i in range(4)], "b": [(i + 2, i) for i in range(2, 6)]}
    assert [dict(zip(parents, row, strict=True))["a"] for row in one.by_layer.values()] == [1.0] * 4 + [0.0] * 4


def test_layers_that_kept_their_numbers_are_told_apart_too():
    ((name, (one, parents)),) = found(base=BASE, a=A, b=B, swap=SWAP).items()
    assert name == "swap"
    assert maps(one, parents) == {"a": [(0, 0), (1, 1), (4, 4)], "b": [(2, 2), (3, 3), (5, 5)]}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_stack_that_was_rounded_is_found(dtype):
    narrow = {n: a.astype(dtype) for n, a in cast(dtype)(STACK).items()}
    ((name, (_, parents)),) = found(base=BASE, a=A, b=B, stack=narrow).items()
    assert name == "stack"
    assert set(parents) == {"a", "b"}


def test_a_twin_with_the_same_layers_is_an_alternative():
    twin = {n: a if _LAYER.match(n) else 1.01 * a for n, a in A.items()}
    sketches = [sketch(m, name=n) for n, m in {"base": BASE, "a": A, "twin": twin, "b": B, "stack": STACK}.items()]
    one = find_stacks(sketches)[4]
    assert one.parents[1:] == (1,) or one.parents[:1] == (1,)
    assert one.alternatives == ((1, 2),)


@pytest.mark.parametrize("order", [[0, 1, 4, 5], [0, 1, 2, 3, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], ids=str)
def test_layers_of_one_model_are_no_merge(order):
    assert found(base=BASE, a=A, b=B, child=stacked([(A, i) for i in order])) == {}


def test_a_model_is_no_stack_of_what_was_cut_from_it():
    parts = {f"part {k}": stacked([(A, i) for i in order]) for k, order in enumerate(([0, 1, 2, 5], [0, 3, 4, 5]))}
    assert found(base=BASE, a=A, **parts) == {}


def test_a_model_is_no_stack_of_children_with_other_layers_frozen():
    children = {"low": tuned(A, 5, range(3)), "high": tuned(A, 6, range(3, 6))}
    assert found(base=BASE, a=A, **children) == {}


def test_a_child_with_frozen_layers_is_no_stack():
    assert found(base=BASE, a=A, b=B, child=tuned(A, 7, range(2, 4))) == {}
