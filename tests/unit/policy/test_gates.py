"""Words that a pipeline stops at: what is open never counts as descent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.ancestry import compare
from lineage.policy import WORDS, gate_of_answer, gate_of_comparison
from lineage.types import Comparison, Direction, Place, Relation, Relative, Verdict
from tests.html_pages import plain_answer
from tests.small_models import sketched, trained, tuned

ALIKE = {"identical", "related", "shared-init", "sibling", "independent", "inconclusive"}


@pytest.fixture(scope="module")
def pair() -> Comparison:
    return compare(sketched(tuned(trained(1), 2), "child"), sketched(trained(1), "base"))


def kin(relation: Relation, probability: float = 0.99) -> tuple[Relative, ...]:
    return (Relative("ab", "base", Relation(relation), probability),)


class TestComparison:
    def test_a_child_trips_its_verdict_and_its_relation(self, pair):
        child = replace(pair, verdict=Verdict.DERIVED, relation=Relation.FINE_TUNED, direction=Direction.CHILD)
        assert gate_of_comparison(["fine-tuned"], child) == "violated"
        assert gate_of_comparison(["pruned", "derived"], child) == "violated"
        assert gate_of_comparison(["pruned", "related"], child) == "nothing-found"

    def test_a_parent_is_not_what_its_child_is(self, pair):
        parent = replace(pair, verdict=Verdict.DERIVED, relation=Relation.FINE_TUNED, direction=Direction.PARENT)
        assert {gate_of_comparison([word], parent) for word in WORDS} == {"nothing-found"}

    def test_an_open_pair_trips_related_alone_and_leaves_its_own_words_open(self, pair):
        assert (pair.direction, pair.verdict, pair.relation) == ("undirected", "derived", "fine-tuned")
        outcomes = {word: gate_of_comparison([word], pair) for word in WORDS}
        assert [word for word, outcome in outcomes.items() if outcome == "violated"] == ["related"]
        assert {word for word, outcome in outcomes.items() if outcome == "inconclusive"} == {"derived", "fine-tuned"}

    @given(
        relation=st.sampled_from([*Relation]),
        verdict=st.sampled_from([*Verdict]),
        word=st.sampled_from(WORDS),
    )
    def test_no_word_of_descent_is_found_without_a_direction(self, pair, relation, verdict, word):
        for direction in (Direction.UNDIRECTED, Direction.PARENT, None):
            one = replace(pair, relation=relation, verdict=verdict, direction=direction)
            if gate_of_comparison([word], one) == "violated":
                assert word in ALIKE or verdict == "identical"

    def test_what_could_not_be_tested_cannot_be_told(self, pair):
        blind = replace(pair, verdict=Verdict.INCONCLUSIVE, relation=Relation.INCONCLUSIVE, direction=None)
        assert gate_of_comparison(["derived"], blind) == "inconclusive"
        assert gate_of_comparison(["inconclusive"], blind) == "violated"


class TestAnswer:
    def test_a_parent_trips(self):
        answer = replace(plain_answer("independent"), verdict=Verdict.DERIVED, place=Place(parents=kin("quantized")))
        assert gate_of_answer(["quantized"], answer) == "violated"
        assert gate_of_answer(["derived"], answer) == "violated"
        assert gate_of_answer(["identical", "fine-tuned"], answer) == "nothing-found"

    def test_an_open_neighbour_does_not(self):
        answer = replace(plain_answer("independent"), verdict=Verdict.RELATED, place=Place(open=kin("fine-tuned", 0.5)))
        outcomes = {word: gate_of_answer([word], answer) for word in WORDS}
        assert [word for word, outcome in outcomes.items() if outcome == "violated"] == ["related"]
        assert {word for word, outcome in outcomes.items() if outcome == "inconclusive"} == {
            "derived", "partly-derived", "fine-tuned",
        }  # fmt: skip

    def test_ancestors_beyond_the_parents_and_descendants_say_nothing_of_the_model(self):
        place = Place(ancestors=kin("pruned"), descendants=kin("quantized"))
        answer = replace(plain_answer("independent"), verdict=Verdict.ORIGIN, place=place)
        assert [word for word in WORDS if gate_of_answer([word], answer) != "nothing-found"] == ["origin"]

    def test_a_copy_and_a_sibling_are_found_as_such(self):
        copy = replace(plain_answer("independent"), verdict=Verdict.IDENTICAL, place=Place(copies=kin("identical")))
        assert gate_of_answer(["identical"], copy) == "violated"
        assert gate_of_answer(["derived"], copy) == "nothing-found"
        sibling = replace(plain_answer("independent"), verdict=Verdict.RELATED, place=Place(siblings=kin("sibling")))
        assert gate_of_answer(["sibling"], sibling) == "violated"
        assert gate_of_answer(["derived", "fine-tuned"], sibling) == "nothing-found"

    def test_descent_without_a_parent_is_not_told(self):
        adapter = replace(plain_answer("independent"), verdict=Verdict.DERIVED, place=Place())
        assert gate_of_answer(["derived"], adapter) == "inconclusive"

    def test_too_little_to_test_rules_nothing_out(self):
        blind = replace(plain_answer("independent"), verdict=Verdict.INCONCLUSIVE, place=Place())
        assert gate_of_answer(["derived"], blind) == "inconclusive"
        assert gate_of_answer(["inconclusive"], blind) == "violated"
