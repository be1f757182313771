"""What is true of relations, verdicts and directions nests as the rooms of the package take it to."""

from __future__ import annotations

import json
import pickle

from lineage.types import Direction, Relation, Verdict


def test_what_is_true_of_relations_nests():
    whole, told, inherited = (
        {word for word in Relation if getattr(word, name)} for name in ("is_of_whole", "is_told_by_two", "inherits")
    )
    assert whole < told < inherited
    assert {word for word in Relation if word.is_exact or word.reshapes or word.trains or word.is_lossy} <= whole
    assert {word for word in Relation if word.is_by_values} == {"re-encoded", "pruned", "quantized"}
    assert not {word for word in Relation if word.finds_nothing or word.is_beginning} & inherited
    assert {word for word in Relation if word.is_directed} == inherited - {"identical"}


def test_a_verdict_of_descent_inherits_and_one_that_finds_nothing_does_not():
    assert {word for word in Verdict if word.is_descent} == {"derived", "partly-derived"}
    assert {word for word in Verdict if word.inherits} == {"identical", "derived", "partly-derived"}
    assert {word for word in Verdict if word.finds_nothing} == {"independent", "inconclusive"}


def test_a_direction_seen_from_the_other_side_and_back_is_itself():
    assert [word.turned for word in Direction] == ["parent", "child", "undirected"]
    assert [word.turned.turned for word in Direction] == [*Direction]


def test_words_are_plain_text_in_json_and_members_again_after_a_process():
    for word in (*Relation, *Verdict, *Direction):
        assert json.loads(json.dumps({word: word})) == {str(word): str(word)}
        assert pickle.loads(pickle.dumps(word)) is word
