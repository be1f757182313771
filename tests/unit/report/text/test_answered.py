"""The graph that an answer spans, as it is handed on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.report import graphs
from lineage.report.kinship import neighbours, up_to_roots
from lineage.report.text.answered import lineage_of
from lineage.report.words import text
from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts.descent import MergedOrExtracted
from tests.adapter_answers import ALONE, BASE, CHILD, MERGED, adapted, asked, moved_alike
from tests.html_pages import plain_answer
from tests.standards import CHECKS, SOURCES

ASKED = plain_answer("derived")
PARENT = ASKED.ancestors[0]


def drawn(lineage: Lineage) -> list[tuple[str, str, str, str, bool]]:
    """Each edge by the names of its ends."""
    names = {node.id: node.name for node in lineage.nodes}
    return [(e.source, e.relation, names[e.parent], names[e.child], e.directed) for e in lineage.edges]


def test_it_is_about_the_model_or_the_node_that_stands_for_it():
    assert lineage_of(ASKED).about == ASKED.sketch.id
    holder = Lineage((Node("x", "holder", 1, copies=(ASKED.sketch.id,)),), ())
    assert lineage_of(ASKED, holder).about == "x"


def test_a_model_that_is_found_in_an_index_itself_is_no_parent_of_itself():
    itself = replace(PARENT, model=ASKED.sketch.id, model_name=ASKED.sketch.name)
    found = lineage_of(replace(ASKED, ancestors=(itself,)))
    assert [edge for edge in found.edges if edge.parent == edge.child] == []


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("hf:org/name@c0ffee", "hf:org/name@c0ffee"),
        ("https://host.example/model.gguf", "https://host.example/model.gguf"),
        ("./models/nova", None),
        ("hf:org/base@c0ffee + ./lora", None),
    ],
)
def test_where_it_was_read_is_told_if_anyone_can_read_there(path, address):
    found = lineage_of(replace(ASKED, sketch=replace(ASKED.sketch, path=path)))
    assert next(node.address for node in found.nodes if node.id == found.about) == address


def test_what_is_known_of_an_ancestor_is_kept():
    known = Node(PARENT.model, PARENT.model_name, 7, licence="mit", address="hf:org/base@c0ffee")
    assert known in lineage_of(ASKED, Lineage((known,), ())).nodes


class TestOfAnAdapter:
    def test_holds_the_declared_base_and_the_model_that_is_the_sum(self):
        found = lineage_of(asked(MERGED))
        assert drawn(found) == [
            ("declared", "inconclusive", BASE, MERGED, True),
            ("measured", "adapter-merged", MERGED, CHILD, False),
        ]
        edge = found.edges[1]
        assert text(edge.basis[0]) == f"{BASE} and 1.00 times the adapter give 100% of the values that moved"
        assert edge.basis[1] == MergedOrExtracted()
        (addition,) = adapted(asked(MERGED)).additions
        assert (edge.r, edge.z, edge.log10_p) == (addition.r, addition.z, addition.log10_p)
        assert all(node.observed for node in found.nodes)

    def test_what_only_moved_alike_is_no_edge(self):
        (merged,) = adapted(asked(MERGED)).additions
        told = replace(adapted(asked(MERGED)), additions=(moved_alike(merged),))
        assert [edge.source for edge in lineage_of(replace(asked(MERGED), adapted=told)).edges] == ["declared"]
        assert [edge.source for edge in lineage_of(asked(ALONE)).edges] == ["declared"]

    def test_one_that_an_index_holds_is_joined_to_the_sum_too(self):
        query, (addition,) = asked(MERGED).sketch, adapted(asked(MERGED)).additions
        child = Node("x", "holder", 1, copies=(addition.child,))
        base = Node(addition.base, BASE, 1)
        kept = (
            Edge(base.id, query.id, Relation.INCONCLUSIVE, True, "declared"),
            Edge(base.id, "x", Relation.ADAPTER_MERGED, True, "measured"),
        )
        found = lineage_of(asked(MERGED), Lineage((Node(query.id, query.name, 1), base, child), kept))
        assert found.edges[:2] == kept
        assert [(edge.parent, edge.child) for edge in found.edges[2:]] == [(query.id, "x")]

    def test_a_base_that_no_index_holds_stands_apart(self):
        answer = replace(asked(ALONE), adapted=replace(adapted(asked(ALONE)), fits=()))
        assert [node.observed for node in lineage_of(answer).nodes] == [True, False]

    @pytest.mark.parametrize("ending", sorted(SOURCES))
    def test_every_format_says_what_was_measured_and_what_declared(self, ending):
        part = up_to_roots if ending in graphs.STATEMENTS else neighbours
        made = graphs.render(part(lineage_of(asked(MERGED))), f"lora{ending}")
        if ending in CHECKS:
            CHECKS[ending](made)
        assert sorted(SOURCES[ending](made)) == ["declared", "measured"]

    def test_the_patch_of_its_card_claims_no_parent(self):
        made = graphs.render(neighbours(lineage_of(asked(MERGED))), "lora.card.yaml").decode()
        assert "base_model" not in made
        assert "declared, which is not evidence" in made
