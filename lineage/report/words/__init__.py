"""What a report says of a fact: one text an id, in each language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from lineage.report.words import en, ko, policy_en, policy_ko
from lineage.types.facts import Fact

Language = Literal["en", "ko"]

Texts = Mapping[str, Callable[[Any], str]]
_TEXTS: Mapping[Language, Texts] = {
    "en": {**en.TEXTS, **policy_en.TEXTS},
    "ko": {**ko.TEXTS, **policy_ko.TEXTS},
}


def text(fact: Fact, language: Language = "en") -> str:
    """The sentence, or the part of one, that says `fact`."""
    return _TEXTS[language][fact.id](fact)
