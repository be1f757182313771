"""What every picture keeps to, whatever the graph."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.report import graphs
from lineage.report.graphs import crossings, layers, placement, routes, styles
from lineage.types import Lineage
from tests.hand_made import FAMILY, STRANGERS, edge, node

RELATIONS = ("fine-tuned", "quantized", "merged", "component-reused", "depth-changed")


@st.composite
def lineages(draw: st.DrawFn) -> Lineage:
    """Graphs whose measured, directed edges have no cycle; undirected and declared ones may run anywhere."""
    size = draw(st.integers(1, 24))
    names = [f"m{i}" for i in range(size)]
    place = st.integers(0, size - 1)
    edges = []
    for a, b in draw(st.lists(st.tuples(place, place), max_size=40)):
        kind = draw(st.sampled_from(["measured", "measured", "measured", "declared", "undirected"]))
        if a == b:
            continue
        if kind == "measured":
            edges.append(edge(names[min(a, b)], names[max(a, b)], draw(st.sampled_from(RELATIONS))))
        elif kind == "declared":
            edges.append(edge(names[a], names[b], source="declared"))
        else:
            edges.append(edge(names[a], names[b], "sibling", directed=False))
    return Lineage(tuple(map(node, names)), tuple(edges))


def laid_out(lineage: Lineage) -> placement.Layout:
    return placement.layout(lineage, {n.id: 100.0 + 7 * (i % 5) for i, n in enumerate(lineage.nodes)})


@given(lineages())
@settings(deadline=None)
def test_children_stand_right_of_their_parents(lineage):
    places = laid_out(lineage).places
    for one in lineage.edges:
        if one.directed and one.source == "measured":
            assert places[one.child].x > places[one.parent].x + places[one.parent].width


@given(lineages())
@settings(deadline=None)
def test_no_two_nodes_overlap_and_all_are_on_the_page(lineage):
    plan = laid_out(lineage)
    boxes = [plan.places[n.id] for n in lineage.nodes]
    for a, b in combinations(boxes, 2):
        beside = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert beside or a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
    for box in boxes:
        assert box.x >= 0
        assert box.y >= -1e-6
        assert box.x + box.width <= plan.width + 1e-6
        assert box.y + box.height <= plan.height + 1e-6


@given(lineages())
@settings(deadline=None)
def test_every_edge_runs_from_its_parent_to_its_child(lineage):
    plan = laid_out(lineage)
    for one, route in zip(lineage.edges, routes.routes(plan, lineage.edges), strict=True):
        parent, child = plan.places[one.parent], plan.places[one.child]
        assert route.start[0] in (parent.x, parent.x + parent.width)
        assert route.tip[0] in (child.x, child.x + child.width)
        assert parent.y <= route.start[1] <= parent.y + parent.height
        assert child.y <= route.tip[1] <= child.y + child.height


@given(lineages())
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_input_moves_no_one(lineage):
    turned = Lineage(lineage.nodes[::-1], lineage.edges[::-1])
    widths = {n.id: 120.0 for n in lineage.nodes}
    assert placement.layout(lineage, widths).places == placement.layout(turned, widths).places


@given(lineages())
@settings(deadline=None, max_examples=30)
def test_every_graph_is_a_well_formed_picture(lineage):
    page = ET.fromstring(graphs.render(lineage, "graph.svg"))
    drawn = [one.get("class") for one in page]
    assert drawn.count("node") == len(lineage.nodes)
    assert drawn.count("edge") == len(lineage.edges)


def test_a_tree_is_drawn_without_crossings():
    names = [f"m{i}" for i in range(60)]
    edges = [edge(names[(i * 7) % i], names[i]) for i in range(1, 60)]
    graph = layers.layered(list(map(node, names)), edges)
    place = {slot: k for column in crossings.ordered(graph) for k, slot in enumerate(column)}
    column_of = {slot: i for i, column in enumerate(graph.columns) for slot in column}
    crossed = [
        (a, b)
        for a, b in combinations(graph.links(), 2)
        if column_of[a[0]] == column_of[b[0]] and (place[a[0]] - place[b[0]]) * (place[a[1]] - place[b[1]]) < 0
    ]
    assert crossed == []


def test_a_sweep_takes_out_the_crossings_that_the_names_would_make():
    edges = [edge(a, b) for a, b in [("a", "z"), ("b", "y"), ("c", "x"), ("a", "y"), ("b", "x")]]
    graph = layers.layered([node(name) for name in "abcxyz"], edges)
    first, second = crossings.ordered(graph)
    order = [bytes.fromhex(str(slot)).decode() for slot in (*first, *second)]
    assert order in (["a", "b", "c", "z", "y", "x"], ["c", "b", "a", "x", "y", "z"])


def test_what_only_a_tie_connects_stands_beside_its_relative():
    places = laid_out(FAMILY).places
    ids = {n.name: n.id for n in FAMILY.nodes}
    assert places[ids["twin"]].x == places[ids["left"]].x
    assert places[ids["claimed"]].x < places[ids["deep"]].x


def test_a_declaration_that_contradicts_the_weights_turns_no_generation_around():
    lineage = Lineage((node("a"), node("b")), (edge("b", "a", source="declared"), edge("a", "b")))
    places = laid_out(lineage).places
    assert places[node("a").id].x < places[node("b").id].x


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 50)), min_size=1, max_size=30))
def test_settled_keeps_order_and_distance_and_moves_nothing_that_has_room(wishes):
    wanted, rooms = zip(*wishes, strict=True)
    centres = placement.settled(wanted, rooms)
    for (a, room_a), (b, room_b) in pairwise(zip(centres, rooms, strict=True)):
        assert b - a >= (room_a + room_b) / 2 - 1e-6
    again = placement.settled(centres, rooms)
    assert again == pytest.approx(centres)
    assert sum(centres) == pytest.approx(sum(wanted), abs=1e-6 * len(wanted) + 1e-6)


def test_5000_models_are_a_well_formed_picture():
    names = [f"m{i}" for i in range(5000)]
    edges = tuple(edge(names[(i * 7919) % i], names[i]) for i in range(1, 5000) if i % 11)
    page = ET.fromstring(graphs.render(Lineage(tuple(map(node, names)), edges), "graph.svg"))
    assert sum(one.get("class") == "node" for one in page) == 5000


class TestStyles:
    def test_a_long_name_keeps_its_beginning_and_its_end(self):
        short = styles.shortened("organisation/a-very-long-model-name-v0.3", 12, 140)
        assert short.startswith("organ")
        assert short.endswith("v0.3")
        assert styles.text_width(short, 12) <= 140

    @pytest.mark.parametrize("name", [n.name for n in STRANGERS.nodes])
    def test_no_name_is_wider_than_allowed(self, name):
        assert styles.text_width(styles.shortened(name, 12, 60), 12) <= 60

    def test_families_differ_in_colour_and_the_lone_are_grey(self):
        of = styles.colours(FAMILY)
        ids = {n.name: n.id for n in FAMILY.nodes}
        assert of[ids["root"]] == of[ids["deep"]] != of[ids["alone"]] == of[ids["claimed"]]


def test_long_edges_without_stops_are_drawn(monkeypatch):
    monkeypatch.setattr(layers, "_MOST_STOPS", 0)
    names = [f"m{i}" for i in range(6)]
    edges = (*(edge(a, b) for a, b in pairwise(names)), edge("m0", "m5"), edge("m1", "m4"))
    page = ET.fromstring(graphs.render(Lineage(tuple(map(node, names)), edges), "graph.svg"))
    assert sum(group.get("class") == "edge" for group in page.iter("{http://www.w3.org/2000/svg}g")) == len(edges)
