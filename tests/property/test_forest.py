"""The cheapest forest against another implementation."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.ancestry.arborescence import Arc, cheapest_forest

COSTS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 1.0, 2.0, 2.8])


@st.composite
def problems(draw):
    size = draw(st.integers(1, 9))
    ends = [(a, b) for a in range(size) for b in range(size) if a != b]
    chosen = draw(st.lists(st.sampled_from(ends), unique=True)) if ends else []
    return [Arc(a, b, draw(COSTS)) for a, b in chosen], {node: draw(COSTS) for node in range(size)}


def least(arcs: list[Arc], roots: dict[int, float]) -> float:
    graph = nx.DiGraph()
    for node, cost in roots.items():
        graph.add_edge("root", node, weight=cost)
    for arc in arcs:
        graph.add_edge(arc.parent, arc.child, weight=arc.cost)
    return sum(data["weight"] for *_, data in nx.minimum_spanning_arborescence(graph).edges(data=True))


@given(problems())
def test_no_forest_is_cheaper_and_it_is_one(problem):
    arcs, roots = problem
    forest = cheapest_forest(arcs, roots)
    total = sum(arc.cost for arc in forest.values()) + sum(c for node, c in roots.items() if node not in forest)
    assert total == pytest.approx(least(arcs, roots))
    assert all(child == arc.child for child, arc in forest.items())
    assert nx.is_directed_acyclic_graph(nx.DiGraph((arc.parent, arc.child) for arc in forest.values()))


@given(problems(), st.randoms())
def test_the_order_of_the_arcs_does_not_matter(problem, random):
    arcs, roots = problem
    shuffled = list(arcs)
    random.shuffle(shuffled)
    assert cheapest_forest(arcs, roots) == cheapest_forest(shuffled, roots)
