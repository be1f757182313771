"""Walks over a graph."""

from __future__ import annotations

from dataclasses import replace

from lineage.report.kinship import neighbours, up_to_roots
from lineage.types import Lineage
from tests.hand_made import FAMILY, against


def names(lineage: Lineage) -> set[str]:
    return {node.name for node in lineage.nodes}


def about(name: str) -> Lineage:
    return up_to_roots(replace(FAMILY, about=name.encode().hex()))


def test_a_model_leads_up_to_its_roots_measured_or_declared_and_to_no_child():
    assert names(about("deep")) == {"deep", "soup", "left", "right", "root", "claimed"}
    assert names(about("root")) == {"root"}


def test_relatives_without_direction_are_those_of_the_model_alone():
    assert names(about("left")) == {"left", "root", "twin"}
    assert names(about("twin")) == {"twin", "left"}
    assert "twin" not in names(about("soup"))


def test_neighbours_are_what_an_edge_joins_to_the_model_whatever_its_direction():
    found = neighbours(replace(FAMILY, about=b"left".hex()))
    assert names(found) == {"left", "root", "soup", "twin"}
    assert len(found.edges) == 3
    assert neighbours(FAMILY) == FAMILY


def test_every_edge_among_them_is_kept_and_no_end_is_missing():
    found = about("soup")
    kept = {node.id for node in found.nodes}
    assert set(found.edges) == {edge for edge in FAMILY.edges if {edge.parent, edge.child} <= kept}


def test_what_a_card_of_another_model_says_is_left_out():
    told = (against("deep", "claimed"), against("vision", "root"))
    spoken = replace(FAMILY, contradictions=told, about=b"deep".hex())
    assert up_to_roots(spoken).contradictions == told[:1]


def test_a_graph_about_no_model_stays_whole():
    assert up_to_roots(FAMILY) is FAMILY


def test_a_circle_of_declarations_has_an_end():
    circle = tuple(
        replace(FAMILY.edges[8], parent=a.encode().hex(), child=b.encode().hex())
        for a, b in (("deep", "claimed"), ("claimed", "deep"))
    )
    lineage = replace(FAMILY, edges=circle, about=b"deep".hex())
    assert names(up_to_roots(lineage)) == {"deep", "claimed"}
