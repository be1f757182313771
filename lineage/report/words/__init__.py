"""What a report says of a fact: one text an id, in each language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from lineage.report.words import en, ko, policy_en, policy_ko
from lineage.types.facts import Fact

Language = Literal["en", "ko"]

TEXTS: Mapping[Language, Mapping[str, Callable[[Any], str]]] = {
    "en": {**en.TEXTS, **policy_en.TEXTS},
    "ko": {**ko.TEXTS, **policy_ko.TEXTS},
}
BARE = frozenset({"named-in", "stated", "encoding", "few-bits"})
"""Ids of facts that are said in the words of a file, whatever its language."""


def text(fact: Fact, language: Language = "en") -> str:
    """The sentence, or the part of one, that says `fact`."""
    return TEXTS[language][fact.id](fact)


def texts(facts: Iterable[Fact], language: Language = "en") -> list[str]:
    """What is said of each of several facts."""
    return [text(fact, language) for fact in facts]
