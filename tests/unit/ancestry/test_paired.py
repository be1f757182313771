"""A comparison as an answer: its one relative stands where the comparison says, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.ancestry import as_answer, compare
from lineage.types import Comparison, Direction, Place, Relation, Verdict
from lineage.types.facts.limits import NotTested
from tests.small_models import sketched, trained, tuned

BASE, CHILD, STRANGER = sketched(trained(1), "base"), sketched(tuned(trained(1), 2), "child"), sketched(trained(9), "x")
OPEN = compare(CHILD, BASE)


def stands(place: Place) -> dict[str, list[str]]:
    return {name: [one.model_name for one in getattr(place, name)] for name in Place.__slots__ if getattr(place, name)}


@pytest.mark.parametrize(
    ("facts", "stand", "verdict"),
    [
        ({}, "open", "related"),
        ({"direction": Direction.CHILD}, "parents", "derived"),
        ({"direction": Direction.CHILD, "verdict": Verdict.PARTLY_DERIVED}, "parents", "partly-derived"),
        ({"direction": Direction.PARENT}, "descendants", "origin"),
        ({"verdict": Verdict.RELATED, "relation": Relation.SHARED_INIT, "direction": None}, "siblings", "related"),
        ({"verdict": Verdict.IDENTICAL, "relation": Relation.IDENTICAL}, "copies", "identical"),
    ],
)
def test_the_other_model_has_one_place(facts, stand, verdict):
    found: Comparison = replace(OPEN, **facts)
    answer = as_answer(CHILD, BASE, found, (NotTested("distillation"),))
    assert stands(answer.place) == {stand: ["base"]}
    assert answer.verdict == verdict
    assert (found in answer.ancestors) == (stand in ("parents", "copies"))
    assert found in (*answer.ancestors, *answer.alternatives)
    assert answer.limits.not_tested == (NotTested("distillation"),)


def test_what_is_open_is_as_likely_either_way_and_what_is_not_has_its_confidence():
    assert as_answer(CHILD, BASE, OPEN, ()).place.open[0].probability == 0.5
    child = replace(OPEN, direction=Direction.CHILD, confidence=0.93)
    assert as_answer(CHILD, BASE, child, ()).place.parents[0].probability == 0.93


def test_a_stranger_has_no_place_and_no_component_is_its():
    answer = as_answer(CHILD, STRANGER, compare(CHILD, STRANGER), ())
    assert stands(answer.place) == {}
    assert answer.verdict == "independent"
    assert {model for _, model, _ in answer.components} == {None}
    assert (answer.ancestors, answer.alternatives) == ((), ())


def test_the_null_is_that_of_the_second_models_units():
    null = as_answer(CHILD, BASE, OPEN, ()).null
    assert {one.model_name for one in null.relabelled} == {"base"}
    assert null.unrelated == ()
