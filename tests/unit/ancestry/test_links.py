"""Walks over a few nodes, held against a library of graphs."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from lineage.ancestry.links import Lines, joined, outward

_NODES = st.integers(0, 9)
_LINES = st.lists(st.tuples(_NODES, _NODES).filter(lambda ends: ends[0] != ends[1]), max_size=20)


@given(_LINES, _NODES)
def test_what_lies_beyond_a_node_and_what_is_circular(lines, node):
    found, expected = Lines(lines), nx.DiGraph(lines)
    assert found.is_circular() == (not nx.is_directed_acyclic_graph(expected))
    assert (node in found) == (node in expected)
    if node in found:
        assert found.beyond(node) - {node} == nx.descendants(expected, node)
        assert found.after(node) == list(expected[node])


@given(_LINES, st.lists(_NODES, unique=True))
def test_groups_come_in_order_of_first_appearance(lines, nodes):
    expected = nx.Graph()
    expected.add_nodes_from(nodes)
    expected.add_edges_from(lines)
    assert joined(lines, nodes) == list(nx.connected_components(expected))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), _NODES)
def test_a_tree_is_walked_outward_from_any_of_its_nodes(above, start):
    lines = [(parent % (child + 1), child + 1) for child, parent in enumerate(above)]
    start %= len(lines) + 1
    assert outward(sorted(lines), start) == list(nx.bfs_edges(nx.Graph(lines), start, sort_neighbors=sorted))
