"""The cheapest forest against another implementation."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.ancestry.trees.arborescence import cheapest_forest

COSTS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 1.0, 2.0, 2.8])


@st.composite
def problems(draw):
    size = draw(st.integers(1, 9))
    ends = [(a, b) for a in range(size) for b in range(size) if a != b]
    chosen = draw(st.lists(st.sampled_from(ends), unique=True)) if ends else []
    return [(a, b, draw(COSTS)) for a, b in chosen], [draw(COSTS) for _ in range(size)]


def forest(arcs, roots):
    """The chosen arc into each node that is not a root."""
    parents, children = (np.array([arc[side] for arc in arcs], np.int64) for side in (0, 1))
    chosen = cheapest_forest(parents, children, np.array([arc[2] for arc in arcs]), np.array(roots))
    return {arcs[row][1]: arcs[row] for row in chosen}


def least(arcs, roots) -> float:
    graph = nx.DiGraph()
    for node, cost in enumerate(roots):
        graph.add_edge("root", node, weight=cost)
    for parent, child, cost in arcs:
        graph.add_edge(parent, child, weight=cost)
    return sum(data["weight"] for *_, data in nx.minimum_spanning_arborescence(graph).edges(data=True))


@given(problems())
def test_no_forest_is_cheaper_and_it_is_one(problem):
    arcs, roots = problem
    found = forest(arcs, roots)
    total = sum(arc[2] for arc in found.values()) + sum(c for node, c in enumerate(roots) if node not in found)
    assert total == pytest.approx(least(arcs, roots))
    assert nx.is_directed_acyclic_graph(nx.DiGraph(arc[:2] for arc in found.values()))


@given(problems(), st.randoms())
def test_the_order_of_the_arcs_does_not_matter(problem, random):
    arcs, roots = problem
    shuffled = list(arcs)
    random.shuffle(shuffled)
    assert forest(arcs, roots) == forest(shuffled, roots)


def test_cycles_are_broken_at_the_least_cost():
    arcs = [(0, 1, 1.0), (1, 0, 1.0), (1, 2, 2.0), (2, 1, 0.5), (0, 2, 5.0)]
    assert {arc[:2] for arc in forest(arcs, [3.0, 9.0, 9.0]).values()} == {(0, 1), (1, 2)}


def test_a_dear_arc_is_no_parent():
    assert forest([(0, 1, 4.0)], [3.0, 3.0]) == {}


@given(st.lists(problems(), min_size=1, max_size=4))
def test_forests_that_are_found_together_are_those_found_alone(several):
    first = np.cumsum([0, *(len(roots) for _, roots in several)]).tolist()
    arcs = [(a + k, b + k, cost) for k, (own, _) in zip(first, several, strict=False) for a, b, cost in own]
    alone = [
        (a + k, b + k, cost)
        for k, (own, roots) in zip(first, several, strict=False)
        for a, b, cost in forest(own, roots).values()
    ]
    together = forest(arcs, [cost for _, roots in several for cost in roots])
    assert sorted(together.values()) == sorted(alone)
