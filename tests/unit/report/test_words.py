"""Every fact can be said in every language, with all that it has to tell."""

from __future__ import annotations

import dataclasses
import re
from itertools import product
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from lineage.report import words
from lineage.types.facts import KINDS, Fact

NOT_SAID: frozenset[tuple[str, str]] = frozenset()
"""Fields (id, name) that only JSON has: ids of models, whose names are said."""


def values(hint: Any) -> list[Any]:
    """Two or more values that a field of that type may have, all that there are where they are words."""
    if get_origin(hint) is Literal:
        return [*get_args(hint)]
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in values(part)]
    if get_origin(hint) is tuple:
        (inner, *_) = get_args(hint)
        return [(values(inner)[0],), tuple(values(inner)[:2])]
    plain: dict[Any, list[Any]] = {
        bool: [False, True], int: [1, 1234], float: [0.25, 0.875], str: ["Nova <b>", "other"], type(None): [None],
    }  # fmt: skip
    return plain[hint]


def samples(kind: type[Fact]) -> list[Fact]:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return [kind(*held) for held in product(*(values(hints[name]) for name in names))]


SAID = sorted(
    (kind for kind in KINDS.values() if kind.__module__.startswith("lineage.types.facts.")), key=lambda kind: kind.id
)


def test_ids_are_literals_and_one_kind_has_each():
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", one) for one in KINDS)
    assert {kind.id: kind for kind in SAID}.items() <= KINDS.items()
    with pytest.raises(TypeError, match="has the id of Vector"):

        class Other(Fact):
            id = "vector"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_language_has_a_text_for_each_and_no_other(language: words.Language):
    assert {*words.TEXTS[language]} == {*KINDS}


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.id)
def test_a_fact_says_all_that_it_has(kind: type[Fact]):
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for language in ("en", "ko"):
        for fact in samples(kind):
            said = words.text(fact, language)
            assert said == said.strip() != ""
            for field in dataclasses.fields(fact):
                others = {
                    words.text(other, language)
                    for other in samples(kind)
                    if all(
                        getattr(other, one.name) == getattr(fact, one.name)
                        for one in dataclasses.fields(fact)
                        if one.name != field.name
                    )
                }
                assert len(others) > 1 or (kind.id, field.name) in NOT_SAID, field.name


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.id)
def test_korean_is_korean(kind: type[Fact]):
    if kind.id not in words.BARE:
        assert all(re.search("[가-힣]", words.text(fact, "ko")) for fact in samples(kind))
    assert not any(re.search("[가-힣]", words.text(fact, "en")) for fact in samples(kind))
