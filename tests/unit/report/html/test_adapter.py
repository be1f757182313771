"""The page of an adapter: its section, and nothing that only a model's weights could say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lineage.ancestry import compare_adapters
from lineage.report.html import LANGUAGES, whois_page
from lineage.types import Verdict, Whois
from tests.adapter_answers import (
    ALONE,
    BASE,
    CHILD,
    MERGED,
    adapted,
    adapter,
    asked,
    beside_its_like,
    hostile,
    moved_alike,
)
from tests.html_pages import NAMES, Page, parsed, plain_answer


def page(answer: Whois, language: str = "en") -> Page:
    return parsed(whois_page(answer, "1.2.3", None, language))  # type: ignore[arg-type]


def text(answer: Whois, language: str = "en") -> str:
    return page(answer, language).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("answer", [asked(MERGED), asked(ALONE), beside_its_like()], ids=["merged", "alone", "like"])
def test_is_well_formed_and_carries_the_same_json_in_both_languages(answer, language):
    found = page(answer, language)
    targets = [given["href"][1:] for name, given in found.attributes if name == "a"]
    assert [target for target in targets if target not in found.ids] == []
    assert "adapter" in found.ids
    assert found.tags["caption"] == found.tags["table"]
    assert found.data["adapter"]["tensors"] == 20


def test_a_model_has_no_such_section():
    assert "adapter" not in page(plain_answer("derived")).ids


def test_says_what_it_is_and_what_it_fits():
    shown = text(asked(ALONE))
    for words in (
        "LoRA of rank 4, which changes 20 tensors",
        f"It declares zoo/{BASE} as its base (adapter_config.json base_model_name_or_path). That is a claim",
        "Models opened: 23 of 23",
        "20 of 20",
        "contains it (pairs: 16)",
        "It is not similar to any adapter of the index (adapters searched: 0)",
        "not measured: an adapter is never compared with weights",
        "Adapters searched: 0; pairs of near models whose difference may contain it: 16",
    ):
        assert words in shown


def test_a_merge_is_told_with_its_figures_and_its_history_is_left_open():
    shown = text(asked(MERGED))
    assert f"{BASE} with {MERGED} added is {CHILD}: that gives 100% of the values that moved, within rounding" in shown
    assert "corrected for all 16 pairs of models" in shown
    assert "merged into the model or extracted from the difference, the weights do not tell" in shown


@pytest.mark.parametrize("answer", [asked(MERGED), asked(ALONE), beside_its_like()], ids=["merged", "alone", "like"])
def test_says_nothing_of_training_from_scratch_or_of_inherited_weights(answer):
    shown = text(answer)
    for words in (
        "trained from scratch is refuted",
        "does not certify",
        "random beginning or a parent",
        "Models searched",
    ):
        assert words not in shown
    assert "nothing here says where those of its base come from" in shown


def test_what_only_moved_alike_is_called_no_merge():
    (merged,) = adapted(asked(MERGED)).additions
    answer = replace(asked(MERGED), adapted=replace(adapted(asked(MERGED)), additions=(moved_alike(merged),)))
    shown = text(answer)
    assert f"tuned-alike moved away from {BASE} as {MERGED} would" in shown
    assert "“Moved alike” is not a finding of a merge" in shown
    assert "“Merged”" not in shown
    assert "extracted from the difference" not in shown


def test_more_findings_than_a_sentence_holds_are_counted_and_listed():
    (merged,) = adapted(asked(MERGED)).additions
    many = tuple(replace(merged, child=f"{i:032x}", child_name=f"child-{i}") for i in range(5))
    shown = text(replace(asked(MERGED), adapted=replace(adapted(asked(MERGED)), additions=many)))
    assert "The table below lists more such models: 2." in shown
    assert "child-4" in shown


def test_adapters_that_it_is_like_are_listed_with_the_reason():
    shown = text(beside_its_like())
    assert f"{ALONE} is similar to a known adapter; neither was found to be made from the other" in shown
    assert "both have the same first factors" in shown
    assert "It is not similar to any adapter" not in shown


def test_a_copy_is_the_same_and_refutes_nothing():
    found = compare_adapters(adapter(ALONE), adapter(ALONE))
    components = tuple((finding, found.model, found.model_name) for finding in found.components)
    copy = replace(found, model="c" * 32, model_name="copy")
    answer = replace(asked(ALONE), verdict=Verdict.IDENTICAL, components=components, ancestors=(copy,), nearest=copy)
    shown = text(answer)
    assert f"What {ALONE} adds to weights is the same as what a known adapter adds" in shown
    assert "Equal weights cannot show whether this copy or the known model came first" in shown
    assert "refuted" not in shown


def test_a_base_that_is_not_there_that_does_not_fit_and_that_is_not_named():
    answer = asked(ALONE)
    told = adapted(answer)
    declared, *_ = told.fits
    assert "which is not among the models searched" in text(replace(answer, adapted=replace(told, fits=())))
    other = replace(told, fits=(replace(declared, fitting=3),), ranks=(2, 16), wholes=2)
    shown = text(replace(answer, adapted=other))
    assert f"Only 3 of 20 shapes fit {BASE}" in shown
    assert "ranks 2 to 16" in shown
    assert "whole tensors that replace those of its base: 2" in shown
    assert "It declares no base." in text(replace(answer, sketch=replace(answer.sketch, declared=())))


def test_the_korean_page_is_korean():
    for answer in (asked(MERGED), beside_its_like()):
        made = whois_page(answer, "1.2.3", None, "ko").decode()
        (source,) = {said.source for said in answer.sketch.declared}
        assert set(re.findall(r'<span lang="en">(.*?)</span>', made)) <= {source}
    shown = text(asked(MERGED), "ko")
    assert f"{BASE} 모델에 {MERGED} 어댑터를 더하면 {CHILD} 모델이 됩니다" in shown
    assert "병합됨" in shown


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_stays_text(name):
    quiet, loud = page(hostile("quiet")), page(hostile(name))
    assert set(loud.tags) <= set(quiet.tags)
    assert loud.tags["script"] == quiet.tags["script"]
    assert len(loud.scripts) == len(quiet.scripts)
