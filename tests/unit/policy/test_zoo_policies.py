"""What the policies say of trained models of known descent: fine-tuned, merged, up-scaled, begun anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lineage.ancestry import graph
from lineage.api.cases import case_of
from lineage.policy import audit
from lineage.report.words import text
from lineage.store import SketchFolder
from lineage.types import Case

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
TRUTH = {node["id"]: node for node in json.loads((ZOO / "truth.json").read_text(encoding="utf-8"))["nodes"]}

BOUNDS = {
    "gpt2-0-prose.sft": "T2",
    "gpt2-0-prose.sft.lora4": "T2",
    "llama-1-code.prose": "T2",
    "cnn-0-high.int8": "T2",
    "bert-0-code.2-4": "T2",
    "gpt2-0-code.extended": "T4-2",  # its longer token table may have been cut in the other: no direction
    "cnn-0-low.m-linear": "T3",
    "llama-1-code.m-slerp": "T3",
    "llama-1-code.m-task": "T3",
    "gpt2-1-prose.upscaled": "T3",
    "gpt2-1-prose.dropped": "T3",
    "gpt2-1-prose.width": "T3",
    "llama-1-code.moe": "T3",
    "gpt2-0-code": "T4-2",
    "llama-1-code": "T4-2",
    "vit-0-high": "T4-2",
    "cnn-0-high": "T6",
}


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    index = SketchFolder(ZOO)
    whole = graph([index])
    return {record.name: case_of(index.load(record.id), [index], whole) for record in index.models()}


@pytest.mark.parametrize(("name", "bound"), BOUNDS.items(), ids=BOUNDS.keys())
def test_the_class_that_a_model_can_have_at_most(cases, name, bound):
    found = audit(cases[name], "t-class")
    assert found.bound == bound
    reasons = [one for one in found.findings if one.says == "bound"]
    assert {part for one in reasons for part in one.components} == {f.name for f, _, _ in cases[name].answer.components}
    assert all(text(one.fact) for one in reasons)


def test_a_decoder_that_lies_in_two_models_alike_may_have_been_taken_out_or_put_in(cases):
    found = audit(cases["llava-1-high-code"], "t-class")
    assert (found.bound, found.possible_bound) == ("T4-2", "T3")
    assert found.verdict == "inconclusive"
    possible = {part for one in found.findings if one.standing == "possible" for part in one.components}
    assert "text decoder" in possible
    assert "vision encoder" not in possible


def has_parent(name: str) -> bool:
    """Whether a model was made from trained weights."""
    return any(TRUTH[parent]["operator"] != "init" for parent in TRUTH[name]["parents"])


def test_from_scratch_is_refuted_of_no_model_that_was(cases):
    refuted = {name for name, case in cases.items() if audit(case, "from-scratch").verdict == "violated"}
    assert {name for name in refuted if not has_parent(name)} == set()
    made = {name for name in cases if has_parent(name)}
    assert len(refuted) >= 0.7 * len(made)


def test_a_shared_initialisation_is_no_inheritance_and_is_said_so(cases):
    found = audit(cases["gpt2-0-prose"], "from-scratch")
    assert found.verdict == "nothing-found"
    assert found.descents == ()
    whole = audit(cases["gpt2-0-init"], "from-scratch")
    said = [one for one in whole.findings if one.rule == "shared-init"]
    assert said
    assert all(one.standing == "noted" and "not inheritance" in text(one.fact) for one in said)


def test_a_finding_of_nothing_says_what_would_have_been_seen_and_proves_nothing(cases):
    found = audit(cases["bert-0-code"], "from-scratch")
    assert "among 40 models; would have seen r >= 0.0" in text(found.headline)
    assert "does not prove" in text(found.headline)
    assert "certifies" in " ".join(map(text, found.notes))


def test_ancestors_above_the_parent_are_told_with_what_lies_between(cases):
    lines = audit(cases["llama-1-code.m-slerp"], "licence").descents
    above = {line.ancestor_name: line.through for line in lines if line.certainty == "measured"}
    assert set(above) == {"llama-1-code.qa", "llama-1-code.prose", "llama-1-code"}
    assert above["llama-1-code.qa"] == ()
    assert len(above["llama-1-code"]) == 1


def test_a_model_is_asked_about_as_if_the_index_did_not_hold_it(cases):
    case = cases["cnn-1-low.bf16"]
    assert case.answer.limits.models_searched == len(cases) - 1
    assert case.answer.sketch.id not in {model for _, model, _ in case.answer.components}


def test_what_would_have_been_seen_is_told_of_each_component_by_itself(cases):
    case = cases["bert-0-code"]
    reach = {part.name: part.evidence.min_detectable_r for part, _, _ in case.answer.components}
    found = audit(case, "from-scratch").findings
    said = {one.components[0]: text(one.fact) for one in found if one.rule == "nothing-found"}
    assert len(set(reach.values())) > 1
    assert said
    for name, sentence in said.items():
        assert f"would have seen r >= {'1 (' if reach[name] is None else format(reach[name], '.2f')}" in sentence
