"""The page of a comparison: its first sentence, what it carries, and that nothing breaks out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.ancestry import as_answer, compare
from lineage.report.html import LANGUAGES, Language, compare_page
from lineage.report.json import comparison
from lineage.types import CheckpointSketch, Comparison, Cue, Direction, Relation, Verdict
from lineage.types.facts.descent import NamedIn
from lineage.types.facts.limits import NotTested
from tests.html_pages import NAMES, Page, parsed
from tests.small_models import sketched, trained, tuned

BASE, CHILD = sketched(trained(1), "base"), sketched(tuned(trained(1), 2), "child")
OPEN = compare(CHILD, BASE)


def page(found: Comparison, a: CheckpointSketch = CHILD, b: CheckpointSketch = BASE, language: Language = "en") -> Page:
    return parsed(compare_page(as_answer(a, b, found, (NotTested("distillation"),)), b, found, "1.2.3", language))


SENTENCES = [
    ({}, "child and base are related; which of them came first, or whether both come from a third, is open."),
    ({"direction": Direction.CHILD}, "child was made from base."),
    ({"direction": Direction.CHILD, "verdict": Verdict.PARTLY_DERIVED}, "Part of child was made from base."),
    ({"direction": Direction.PARENT}, "base was made from child."),
    ({"direction": Direction.PARENT, "verdict": Verdict.PARTLY_DERIVED}, "Part of child went into base."),
    (
        {"verdict": Verdict.RELATED, "relation": Relation.SHARED_INIT, "direction": None},
        "child and base started from the same weights; neither is known to come from the other.",
    ),
    ({"verdict": Verdict.IDENTICAL, "relation": Relation.IDENTICAL}, "child and base hold the same weights."),
    (
        {"verdict": Verdict.INDEPENDENT, "relation": Relation.INDEPENDENT, "direction": None},
        "No inheritance was found between child and base.",
    ),
    (
        {"verdict": Verdict.INCONCLUSIVE, "relation": Relation.INCONCLUSIVE, "direction": None},
        "Too few weights can be tested to say how child and base are related.",
    ),
]


@pytest.mark.parametrize(("facts", "said"), SENTENCES)
def test_the_first_sentence_may_be_quoted(facts, said):
    text = " ".join(page(replace(OPEN, **facts)).text.split())
    assert said in text
    assert [other for _, other in SENTENCES if other in text and other not in said] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("direction", Direction)
def test_is_a_whole_page_with_both_names_in_every_language(language, direction):
    shown = page(replace(OPEN, direction=direction), language=language)
    assert shown.attributes[0] == ("html", {"lang": language})
    assert "child" in shown.text
    assert "base" in shown.text
    assert "lineage compare child base --depth full" in shown.text


def test_carries_the_comparison_as_json():
    assert page(OPEN).data == comparison(CHILD, BASE, OPEN, (NotTested("distillation"),))


def test_says_what_was_not_searched_and_not_tested():
    text = page(OPEN).text
    assert "nothing else was searched" in text
    assert "distillation" in text
    assert "index" not in text.split("With the same file")[0].lower()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_breaks_out(name):
    quiet, loud = (
        page(
            replace(
                OPEN,
                direction=Direction.CHILD,
                model_name=called,
                basis=(NamedIn(called),),
                cues=(Cue("gains", Direction.CHILD, 2.0, NamedIn(called)),),
            ),
            replace(CHILD, name=called, path=called, format=called, licence=called),
            replace(BASE, name=called, path=called, format=called, licence=called),
        )
        for called in ("quiet", name)
    )
    assert set(loud.tags) <= set(quiet.tags)
    assert loud.tags["script"] == quiet.tags["script"]
    assert loud.data["a"]["name"] == name
