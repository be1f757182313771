"""Chains and siblings told apart, missing parents inferred: on points whose history is known."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.triples import is_chain, lifted
from lineage.ancestry.trees.unobserved import Unobserved, distance_to, unobserved

LENGTH = 40_000


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(LENGTH)


START = noise(0)
PARENT = START + 0.8 * noise(1)
CHILD = PARENT + 0.2 * noise(2)
GRANDCHILD = 0.97 * CHILD + 0.4 * noise(3)
SIBLING = PARENT + 0.3 * noise(4)
LIKE_DATA = PARENT + 0.6 * noise(5) + 0.5 * noise(2)  # trained much longer on what the child saw a little of


def r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_a_chain_is_a_chain_whatever_decays():
    assert is_chain(r(GRANDCHILD, CHILD), r(GRANDCHILD, PARENT), r(CHILD, PARENT))


@pytest.mark.parametrize("other", [SIBLING, LIKE_DATA])
def test_a_sibling_is_no_child_even_if_like_data_made_it_nearer(other):
    assert not is_chain(r(other, CHILD), r(other, PARENT), r(CHILD, PARENT))


def test_the_nearer_sibling_is_lifted_to_the_parent():
    points = [PARENT, CHILD, LIKE_DATA, GRANDCHILD]
    assert r(LIKE_DATA, CHILD) > r(LIKE_DATA, PARENT)
    tree = {1: Arc(0, 1, 0.1), 2: Arc(1, 2, 0.1), 3: Arc(1, 3, 0.1)}

    def is_sibling(child: int, parent: int, grandparent: int) -> bool:
        ends = (child, parent), (child, grandparent), (parent, grandparent)
        one, two, three = (r(points[a], points[b]) for a, b in ends)
        return not is_chain(one, two, three)

    found = lifted(tree, {}, frozenset(), is_sibling)
    assert {child: arc.parent for child, arc in found.items()} == {1: 0, 2: 0, 3: 1}
    fixed = lifted(tree, {}, frozenset({2}), is_sibling)
    assert fixed[2].parent == 1


def test_a_model_is_lifted_past_ancestors_that_have_their_own_place():
    """Whether it is moved before or after what it hangs on says where it stops: the numbers must not decide that."""
    for numbers in permutations(range(5)):
        base, light, lighter, heavy, heavier = numbers
        tree = {child: Arc(parent, child, 0.1) for parent, child in pairwise(numbers)}
        holds = {(light, base), (lighter, light), (heavier, light)}
        found = lifted(tree, {}, frozenset(), lambda child, parent, _, holds=holds: (child, parent) not in holds)
        parents = {child: arc.parent for child, arc in found.items()}
        assert parents == {light: base, lighter: light, heavy: base, heavier: base}


def test_children_of_a_missing_model_are_put_under_it():
    points = [START, PARENT + 0.6 * noise(11), PARENT + 0.6 * noise(12), PARENT + 0.6 * noise(13), START + noise(14)]
    tree = {child: Arc(0, child, 0.5) for child in (1, 2, 3, 4)}
    loose = unobserved(tree, (), lambda a, b: r(points[a], points[b]))
    assert loose == []  # what they share is less than their own: like data could do that

    nearer = [START, PARENT + 0.3 * noise(11), PARENT + 0.3 * noise(12), PARENT + 0.3 * noise(13), START + noise(14)]
    (found,) = unobserved(tree, (), lambda a, b: r(nearer[a], nearer[b]))
    assert (found.parent, found.children) == (0, (1, 2, 3))
    assert found.shared == pytest.approx(0.64 / (0.64 + 0.09), abs=0.03)
    assert unobserved(tree, {1, 2, 3}, lambda a, b: r(nearer[a], nearer[b])) == []


def test_the_distance_to_a_missing_model_comes_from_its_neighbours():
    points = [START, PARENT + 0.4 * noise(11), PARENT + 0.4 * noise(12), PARENT + 0.4 * noise(13)]

    def distance(a: int, b: int) -> float:
        return -float(np.log(r(points[a], points[b])))

    missing = Unobserved(0, (1, 2, 3), 0.8)
    for model, point in enumerate(points):
        expected = -np.log(r(point, PARENT))
        assert distance_to(model, missing, distance) == pytest.approx(expected, abs=0.01)
    assert distance_to(1, missing, lambda a, b: None) is None
