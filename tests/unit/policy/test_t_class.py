"""Bounds of single components put together, on cases made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.policy import audit
from lineage.report.words import text
from lineage.types import Beside, Relation, TensorMatch, Verdict
from tests.policy_cases import case, compared, edge, evidence, finding, grafted, node
from tests.synthetic import encoder
from tests.synthetic import sketch as sketched

FOLDER = Beside(("config.json", "model.safetensors"), "", False)


def tuned(relations: dict[str, str], **facts: object):
    """A model with one parent, whose components are to it what `relations` says."""
    return case(
        ancestors=[node("org/base")], edges=[edge("org/base")], parents=[compared("org/base", relations)], **facts
    )


def test_a_whole_that_was_tuned_is_T2():
    found = audit(tuned({"embeddings": "vocabulary-changed", "text decoder": "fine-tuned"}), "t-class")
    assert (found.bound, found.possible_bound, found.verdict) == ("T2", "T2", "nothing-found")
    assert text(found.headline) == "T2 at most"


def test_one_reused_component_among_own_ones_is_T3():
    vision = [finding("vision encoder", 0.02), finding("text decoder", 0.98)]
    put = edge("org/Sight", relation=Relation.COMPONENT_REUSED, component="vision encoder", share=0.02, confidence=0.97)
    found = audit(case(ancestors=[node("org/Sight")], edges=[put], components=vision), "t-class")
    assert found.bound == "T3"
    told = {one.components[0]: one.bound for one in found.findings if one.says == "bound"}
    assert told == {"vision encoder": "T3", "text decoder": "T4-2"}


def test_grafted_attention_in_an_own_model_is_T3():
    line = edge("org/base", relation=Relation.COMPONENT_REUSED)
    parts = [finding("embeddings", 0.2, "component-reused"), finding("text decoder", 0.8, "component-reused")]
    made = case(ancestors=[node("org/base")], edges=[line], parents=[grafted("org/base")], components=parts)
    found = audit(made, "t-class")
    assert found.bound == "T3"
    told = {one.components[0]: one.share for one in found.findings if one.says == "bound"}
    assert told["text decoder"] == 0.214


def test_a_head_of_its_own_on_a_tuned_whole_stays_T2():
    parts = [finding("text decoder", 0.995), finding("head", 0.005)]
    line = edge("org/base", component="text decoder", share=0.995)
    assert audit(case(ancestors=[node("org/base")], edges=[line], components=parts), "t-class").bound == "T2"


def test_two_sources_are_T3_though_each_part_is_whole():
    edges = [edge("org/a", component="embeddings", share=0.2), edge("org/b", component="text decoder", share=0.8)]
    assert audit(case(ancestors=[node("org/a"), node("org/b")], edges=edges), "t-class").bound == "T3"


@pytest.mark.parametrize("facts", [{"directed": False}, {"confidence": 0.5}])
def test_what_is_only_possible_lowers_no_bound(facts):
    found = audit(case(ancestors=[node("org/base")], edges=[edge("org/base", **facts)]), "t-class")
    assert (found.bound, found.possible_bound, found.verdict) == ("T4-2", "T2", "inconclusive")


def test_what_is_only_declared_lowers_no_bound():
    said = edge("org/base", relation=Relation.INCONCLUSIVE, source="declared", confidence=None)
    found = audit(case(ancestors=[node("org/base")], edges=[said]), "t-class")
    assert (found.bound, found.possible_bound) == ("T4-2", "T4-2")


@pytest.mark.parametrize(
    ("architecture", "beside", "bound"),
    [
        ("bert", FOLDER, "T4-1"),
        ("bert", None, "T4-2"),
        ("bert", Beside(("modeling_nova.py",), "", True), "T4-2"),
        ("nova", FOLDER, "T6"),
    ],
)
def test_the_layout_of_a_known_architecture(architecture, beside, bound):
    made = sketched(encoder(1, 1))
    pairs = tuple(
        TensorMatch(t.name, t.name, "q", "text decoder", (0, 0), t.shape, "structure", False, 0.0, 0.0, 0.1, True)
        for t in made.tensors
    )
    one = case(beside=beside, architecture=architecture, tensors=made.tensors)
    near = compared("org/other", {}, verdict=Verdict.INDEPENDENT, tensors=pairs, evidence=evidence(0.0, 0.1, 0.0))
    assert audit(replace(one, answer=replace(one.answer, nearest=near)), "t-class").bound == bound
