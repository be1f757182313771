"""The screen of `descendants` and what it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.ancestry.descending import below
from lineage.report.text.descendants import descendants_screen, descendants_value, headline, lineage_below
from lineage.types import Descendants, Lineage
from lineage.types.facts.limits import NotTested
from tests.hand_made import FAMILY, HOSTILE, STRANGERS, edge, node


def of(lineage: Lineage, name: str) -> Descendants:
    model = next(one for one in lineage.nodes if one.name == name)
    found, perhaps = below(lineage, model.id)
    said = tuple(e for e in lineage.edges if e.source == "declared" and e.parent == model.id)
    return Descendants(model, found, perhaps, said, lineage, 9, "index", (NotTested("distillation"),))


def test_tells_generations_ways_parts_and_other_names():
    copies = tuple(replace(one, aliases=("twice",)) if one.name == "soup" else one for one in FAMILY.nodes)
    shown = descendants_screen(of(replace(FAMILY, nodes=copies), "root"), 120)
    assert shown.startswith("root   5 known models descend from it (1 in part)\n")
    assert "generation 1:\n    left    fine-tuned, probability 0.98" in shown
    assert "component reused" not in shown
    assert "vision  reused, in part: text decoder" in shown
    assert "generation 2:\n    soup  merged 0.70, through left, probability 0.88, also twice" in shown
    assert "deep  quantized, through left, soup" in shown
    assert "searched: 9 models (index index); what is in no index is not named" in shown
    assert "not tested: distillation" in shown


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ((), "no descendant found among 9 models"),
        ((edge("base", "a", confidence=0.97),), "1 known model descends from it, probability 0.97"),
        (
            (edge("base", "a", confidence=0.97), edge("base", "b", confidence=0.8)),
            "2 known models descend from it, each with probability 0.80 or more",
        ),
        (
            (edge("base", "a", confidence=1.0), edge("base", "b", confidence=1.0)),
            "2 known models descend from it, each with probability > 0.99",
        ),
        (
            (edge("base", "a", "component-reused", component="head", confidence=0.9),),
            "1 known model descends from it in part, probability 0.90",
        ),
        ((edge("base", "a"), edge("base", "b", confidence=0.8)), "2 known models descend from it"),
        (
            (edge("base", "a", directed=False), edge("b", "base", directed=False)),
            "no descendant found among 9 models; 2 are related, which came first is open",
        ),
        (
            (edge("base", "a", confidence=0.97), edge("b", "base", directed=False)),
            "1 known model descends from it, probability 0.97; 1 more is related, which came first is open",
        ),
    ],
)
def test_the_headline_counts_what_is_known_and_what_is_open(edges, said):
    assert headline(of(Lineage((node("base"), node("a"), node("b")), edges), "base")) == said


def test_an_open_way_is_told_from_either_end_and_through_what():
    lineage = Lineage(
        (node("base"), node("friend"), node("pupil"), node("ghost", observed=False)),
        (edge("friend", "base", directed=False), edge("friend", "ghost"), edge("ghost", "pupil", "pruned")),
    )
    shown = descendants_screen(of(lineage, "base"), 120)
    assert "friend  fine-tuned, direction open" in shown
    assert "pupil   pruned, through friend, a model not in the index" in shown


def test_the_part_of_the_graph_has_what_is_named_and_between():
    part = lineage_below(of(FAMILY, "left"))
    assert {one.name for one in part.nodes} == {"left", "soup", "deep"}
    assert {(e.parent, e.child) for e in part.edges} == {
        (node("left").id, node("soup").id), (node("soup").id, node("deep").id),
    }  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_moves_no_cursor(name):
    found = of(STRANGERS, name)
    shown = descendants_screen(found, 80)
    assert not any(c in shown for c in "\x00\x1b\u202e\t")
    assert descendants_value(found)["model"]["name"] == name
