import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.report.figures import correlation, count, p_value, percent, phrase, plain, score
from lineage.types import Direction, Relation


def test_every_relation_can_be_said_of_every_direction():
    cases = product(Relation, [*Direction, None])
    said = {case: phrase(*case) for case in cases}
    assert {
        case: words for case, words in said.items() if not words or words != words.strip() or "stolen" in words
    } == {}


def test_direction_is_part_of_the_phrase_only_where_there_is_one():
    assert phrase(Relation.FINE_TUNED, Direction.CHILD) == "fine-tuned from"
    assert phrase(Relation.FINE_TUNED, Direction.PARENT) == "fine-tuned into"
    assert phrase(Relation.FINE_TUNED, Direction.UNDIRECTED) == "fine-tuned from or into"
    assert phrase(Relation.QUANTIZED, Direction.CHILD, "int8") == "quantized (int8) from"
    assert phrase(Relation.SIBLING, Direction.CHILD) == "sibling of"


@given(st.text())
def test_plain_text_moves_no_cursor_and_reorders_nothing(text):
    shown = plain(text)
    assert shown.isprintable() or set(shown) <= {
        c for c in shown if not c.isspace() or c == " " or c not in "\n\r\t\x0b"
    }
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in shown)
    assert plain(shown) == shown


def test_plain_text_stays_what_it_was():
    assert plain("모델/Nova-9B (v2) é") == "모델/Nova-9B (v2) é"
    assert plain("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\u202ec\\x0ad"


@given(st.floats(min_value=-1e6, max_value=0.0))
def test_a_p_value_is_said_for_any_logarithm(log10_p):
    said = p_value(log10_p)
    if log10_p < -300:
        assert said == "p < 1e-300"
    else:
        assert math.log10(float(said.removeprefix("p "))) == pytest.approx(log10_p, abs=0.31)


@given(st.floats(min_value=-1, max_value=1))
def test_a_correlation_is_never_rounded_up_to_one(r):
    said = float(correlation(r).removeprefix("r "))
    assert abs(said - r) < 0.0051
    assert abs(said) < 1 or abs(r) > 1 - 1e-8


def test_numbers_are_short():
    assert [score(z) for z in (None, 0.44, -3.16, 188.2)] == ["z -", "z 0.4", "z -3.2", "z 188"]
    assert [percent(s) for s in (0, 0.0004, 0.021, 0.9996)] == ["0.0%", "0.04%", "2.1%", "100%"]
    assert [count(n) for n in (317, 22_713_216, 8_030_261_248)] == ["317", "22.7M", "8.0B"]
    assert correlation(None) == "r -"
