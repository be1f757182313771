"""Every fact can be said in every language, with all that it has to tell."""

from __future__ import annotations

import dataclasses
import re
from enum import EnumType
from itertools import product
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from lineage.report import words
from lineage.types.facts import Fact, kinds
from lineage.types.facts.changes import EqualMatrices, LowRanks
from lineage.types.facts.cues import Computable, FewerLayers, GrownVocabulary, ShrunkRows
from lineage.types.facts.exclusions import NotFinite

NOT_SAID = {
    *((kind, end) for kind in ("declared-unrelated", "declared-reversed") for end in ("child", "parent")),
    *(("weights-unseen", "models"), ("claim-contradicted", "model")),
}
"""Fields (id, name) that only JSON has: ids of models, whose names are said."""


def values(hint: Any) -> list[Any]:
    """Two or more values that a field of that type may have, all that there are where they are words."""
    if get_origin(hint) is Literal:
        return [*get_args(hint)]
    if isinstance(hint, EnumType):
        return [*hint]
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in values(part)]
    if get_origin(hint) is tuple:
        (inner, *_) = get_args(hint)
        return [(values(inner)[0],), tuple(values(inner)[:2])]
    plain: dict[Any, list[Any]] = {
        bool: [False, True], int: [1, 1234], float: [0.25, 0.875, -7.5], str: ["Nova <b>", "other"], type(None): [None],
    }  # fmt: skip
    return plain[hint]


def samples(kind: type[Fact]) -> list[Fact]:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return [kind(*held) for held in product(*(values(hints[name]) for name in names))]


SAID = sorted(
    (kind for kind in kinds().values() if kind.__module__.startswith("lineage.types.facts.")), key=lambda kind: kind.id
)


def test_ids_are_literals_and_one_kind_has_each():
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", one) for one in kinds())
    assert {kind.id: kind for kind in SAID}.items() <= kinds().items()
    with pytest.raises(TypeError, match="has the id of Vector"):

        class Other(Fact):
            id = "vector"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_language_has_a_text_for_each_and_no_other(language: words.Language):
    assert {*words.all_texts(language)} == {*kinds()}


def test_no_fact_changes():
    assert {kind.id for kind in SAID if not kind.__dataclass_params__.frozen} == set()  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_text_is_empty_or_ends_in_blanks(language: words.Language):
    said = {fact: words.text(fact, language) for kind in SAID for fact in samples(kind)}
    assert {fact for fact, text in said.items() if not text or text != text.strip()} == set()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_fact_says_all_that_it_has(language: words.Language):
    assert {(kind.id, field) for kind in SAID for field in unsaid(kind, language)} <= NOT_SAID


def unsaid(kind: type[Fact], language: words.Language) -> set[str]:
    """The fields of a kind that may change by themselves without a change of the text."""
    fields = [one.name for one in dataclasses.fields(kind)]
    found = set()
    for field in fields:
        texts: dict[Any, set[str]] = {}
        for fact in samples(kind):
            others = tuple(getattr(fact, name) for name in fields if name != field)
            texts.setdefault(others, set()).add(words.text(fact, language))
        found |= {field} if any(len(some) < 2 for some in texts.values()) else set()
    return found


EXAMPLES = {
    EqualMatrices(1, 40): ("1 of 40 matrices equal", "행렬 40개 가운데 1개가 같음"),
    LowRanks(8, 12, 16, 14): (
        "difference of rank 8 in 12 matrices (up to 16 in 14 matrices)",
        "행렬 12개에서 차이의 계수가 8(행렬 14개에서 최대 16)",
    ),
    ShrunkRows("this-model", 0.999906): (
        "rows of unseen tokens are scaled by 0.999906 in this model (weight decay)",
        "이 모델에서는 학습에 나오지 않은 토큰의 행이 0.999906배로 줄어 있음(가중치 감쇠)",
    ),
    GrownVocabulary(1200, 1000): (
        "token table of 1,200 values against 1,000: vocabularies grow",
        "토큰 표의 값이 1,200개 대 1,000개: 어휘는 늘어나는 쪽으로 바뀜",
    ),
    Computable("reference", "rounding"): (
        "the reference can be computed from this model by rounding, not the other way round",
        "이 모델을 반올림하면 상대가 되지만 그 반대는 안 됨",
    ),
    FewerLayers("this-model", 4, 6): (
        "4 of the reference's 6 layers are here and no others",
        "상대의 층 6개 가운데 4개만 있고 다른 층은 없음",
    ),
    NotFinite(1, beyond_float32=False): ("1 NaN or infinite value", "NaN 또는 무한대 값 1개"),
    NotFinite(1200, beyond_float32=True): (
        "1,200 finite values beyond float32",
        "float32 범위를 넘는 유한한 값 1,200개",
    ),
}


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: fact.id)
def test_the_words_of_some(fact: Fact):
    assert (words.text(fact), words.text(fact, "ko")) == EXAMPLES[fact]


def test_korean_is_korean():
    facts = [fact for kind in SAID for fact in samples(kind)]
    assert {fact for fact in facts if re.search("[가-힣]", words.text(fact, "en"))} == set()
    latin = {fact.id for fact in facts if not re.search("[가-힣]", words.text(fact, "ko"))}
    assert latin <= words.BARE
