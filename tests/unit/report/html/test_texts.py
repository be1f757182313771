"""The tables of the two languages say the same things."""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path

import pytest

from lineage.report.html.texts import LANGUAGES, texts
from lineage.types import Direction, Relation, Verdict

ROOM = Path(str(files("lineage.report.html")))
ENGLISH, KOREAN = texts("en"), texts("ko")
KEYS = [(section, key) for section, table in ENGLISH.table.items() for key in table]


def blanks(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys_in_the_same_order():
    assert [(section, key) for section, table in KOREAN.table.items() for key in table] == KEYS


def test_both_languages_fill_the_same_blanks():
    english, korean = ({key: blanks(one.table[key[0]][key[1]]) for key in KEYS} for one in (ENGLISH, KOREAN))
    assert {key for key in KEYS if english[key] != korean[key]} == set()


def test_korean_is_korean():
    same = {"\N{EN DASH}"}
    latin = [
        (section, key)
        for section, table in KOREAN.table.items()
        for key, text in table.items()
        if not re.search("[가-힣]", text) and text not in same
    ]
    assert latin == []


def test_no_particle_that_depends_on_a_final_sound_follows_a_blank():
    bound = re.compile(
        r"\{(?:name|model|component|words|names|founders|relation)\}(?:은|는|이|가|을|를|와|과|로|으로)(?![가-힣])"
    )
    texts_ = [text for table in KOREAN.table.values() for text in table.values()]
    assert [text for text in texts_ if bound.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_and_relation_has_a_word(language):
    table = texts(language).table
    assert set(table["verdict"]) == set(Verdict)
    assert set(table["verdict_sentence"]) > {word.replace("-", "_") for word in Verdict}
    assert set(table["relation"]) == set(Relation)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_accuses_no_one_and_certifies_nothing(language):
    words = " ".join(text for table in texts(language).table.values() for text in table.values()).lower()
    for word in ("stolen", "theft", "plagiar", "copied without", "guilty", "도용", "표절", "훔", "무단", "베끼"):
        assert word not in words


def test_no_text_is_missing_that_a_page_asks_for_by_name():
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py"))
    asked = {tuple(key.split(".")) for key in re.findall(r'say\(\s*"(\w+\.\w+)"', code)}
    assert len(asked) > 80
    assert asked - set(KEYS) == set()


def test_no_text_is_left_that_no_page_asks_for():
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py"))
    by_word = {"verdict", "verdict_sentence", "relation", "component", "tensor", "line", "facts", "glossary", "depth"}
    words = {word.replace("-", "_") for word in (*Verdict, *Relation, *Direction)}
    unused = [
        (section, key)
        for section, key in KEYS
        if section not in by_word
        and f"{section}.{key}" not in code
        and not re.search(rf'"{key}"', code)
        and not key.startswith("is_")
        and key not in words
    ]
    assert unused == []


def test_a_numbered_component_keeps_its_number_and_an_unknown_word_stays():
    assert KOREAN.word("component", "text decoder 2") == "텍스트 디코더 2"
    assert ENGLISH.word("component", "<new> thing") == "&lt;new&gt; thing"
