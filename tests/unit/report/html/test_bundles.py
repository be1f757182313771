"""Families too large to be drawn model by model."""

from __future__ import annotations

from bench_report import family_graph
from hypothesis import given
from hypothesis import strategies as st

from lineage.report.html.bundles import MOST, bundled
from lineage.report.html.texts import texts
from lineage.types import Edge, Lineage, Node, Relation

SAY = texts("en")


def star(leaves: int, relation: str = "fine-tuned") -> Lineage:
    nodes = [Node("hub", "hub", 1, root=True), *(Node(f"leaf {i}", f"leaf {i}", 1) for i in range(leaves))]
    edges = [Edge("hub", node.id, Relation(relation), True, "measured", r=0.5) for node in nodes[1:]]
    return Lineage(tuple(nodes), tuple(edges))


def test_a_small_family_is_drawn_as_it_is():
    assert bundled(SAY, star(20)).lineage == star(20)


def test_children_that_stand_alike_share_a_box_and_no_figure():
    made = bundled(SAY, star(40))
    assert [node.name for node in made.lineage.nodes] == ["hub", "40 models: fine-tuned"]
    (edge,) = made.lineage.edges
    assert (edge.parent, edge.relation, edge.r) == ("hub", "fine-tuned", None)
    assert made.box["leaf 7"] == edge.child


def test_a_large_family_gets_small_enough_to_be_drawn():
    chain = [Edge(f"leaf {i}", f"leaf {i + 1}", Relation.FINE_TUNED, True, "measured") for i in range(0, 400, 2)]
    grown = Lineage(star(401).nodes, (*star(401).edges, *chain))
    assert len(bundled(SAY, grown).lineage.nodes) <= MOST


@given(st.integers(1, 400))
def test_every_model_is_in_a_box_and_every_edge_joins_boxes(models):
    whole = family_graph(models)
    made = bundled(SAY, whole)
    boxes = {node.id for node in made.lineage.nodes}
    assert set(made.box) == {node.id for node in whole.nodes}
    assert set(made.box.values()) == boxes
    for edge in made.lineage.edges:
        assert {edge.parent, edge.child} <= boxes
        assert edge.parent != edge.child
