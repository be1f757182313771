"""The graph around one answer."""

from __future__ import annotations

from dataclasses import replace

from bench_report import answer, family_graph

from lineage.report.html.kin import kin
from lineage.types import Declared, Edge, Lineage, Node, Place, Relation, Relative
from tests.hand_made import against
from tests.html_pages import plain_answer

ASKED = plain_answer("derived")
PARENT = ASKED.ancestors[0]


def ends(lineage: Lineage, source: str = "measured") -> list[tuple[str, str, bool]]:
    return [(edge.parent, edge.child, edge.directed) for edge in lineage.edges if edge.source == source]


def test_a_whole_model_has_one_edge_in_the_direction_that_was_found():
    other = (Relative(PARENT.model, PARENT.model_name, PARENT.relation, 0.9),)
    up, down = (PARENT.model, ASKED.sketch.id, True), (ASKED.sketch.id, PARENT.model, True)
    for place, wanted in ((Place(parents=other), up), (Place(descendants=other), down), (Place(open=other), False)):
        found, omitted = kin(replace(ASKED, place=place))
        assert omitted == 0
        assert ends(found) == [wanted] if wanted else [directed for *_, directed in ends(found)] == [False]


def test_a_reused_component_has_an_edge_of_its_own():
    found, _ = kin(answer())
    measured = [edge for edge in found.edges if edge.source == "measured" and edge.component is not None]
    assert [(edge.component, edge.relation) for edge in measured] == [("vision encoder", "fine-tuned")]


def test_alternatives_are_joined_without_a_direction():
    other = replace(PARENT, model="c" * 32, model_name="other")
    found, _ = kin(replace(ASKED, alternatives=(other,)))
    assert ("c" * 32, ASKED.sketch.id, False) in ends(found)


def test_a_declared_parent_is_met_by_name_or_stands_apart():
    sketch = replace(ASKED.sketch, declared=(Declared(f"hub/{PARENT.model_name.split('/')[1].upper()}", None, "card"),))
    met, _ = kin(replace(ASKED, sketch=sketch))
    assert ends(met, "declared") == [(PARENT.model, ASKED.sketch.id, True)]
    sketch = replace(ASKED.sketch, declared=(Declared("someone/else", "fine-tuned", "card"),))
    apart, _ = kin(replace(ASKED, sketch=sketch))
    assert ends(apart, "declared") == [("declared:someone/else", ASKED.sketch.id, True)]
    assert next(node for node in apart.nodes if node.id == "declared:someone/else").observed is False


def test_a_card_that_names_the_model_itself_makes_no_loop():
    sketch = replace(ASKED.sketch, declared=(Declared(ASKED.sketch.name, None, "card"),))
    found, _ = kin(replace(ASKED, sketch=sketch))
    assert all(edge.parent != edge.child for edge in found.edges)


def test_an_indexed_model_keeps_the_edges_of_its_graph():
    nodes = (Node("x", "copy holder", 1, copies=(ASKED.sketch.id,)), Node("y", "base", 1))
    known = Lineage(nodes, (Edge("y", "x", Relation.MERGED, True, "measured", weight=0.5),))
    assert kin(ASKED, known) == (replace(known, about="x"), 0)


def test_what_cannot_be_drawn_is_counted_and_the_line_above_is_kept():
    known = family_graph(300)
    found, omitted = kin(ASKED, known)
    assert len(found.nodes) + omitted == len(known.nodes) + 2  # the model, and the parent that its card declares
    assert omitted > 0
    assert {ASKED.sketch.id, PARENT.model} <= {node.id for node in found.nodes}
    drawn = {node.id for node in found.nodes}
    assert all({edge.parent, edge.child} <= drawn for edge in found.edges)


def test_contradictions_of_other_models_are_left_out():
    told = replace(against("parent", "y"), child=PARENT.model)
    known = Lineage((Node(PARENT.model, PARENT.model_name, 1),), (), (against("stranger", "x"), told))
    assert kin(ASKED, known)[0].contradictions == (told,)
