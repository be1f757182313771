"""What a report says of a fact: one text an id, in each language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

from lineage.types.facts import Fact

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")

Texts = Mapping[str, Callable[[Any], str]]

BARE = frozenset({"named-in", "stated", "encoding", "few-bits"})
"""Ids of facts that are said in the words of a file, whatever its language."""


def all_texts(language: Language) -> Texts:
    """Every text of a language, by the id of its fact."""
    return {**_table(language), **_table(f"policy_{language}")}


@lru_cache(maxsize=2 * len(LANGUAGES))
def _table(name: str) -> Texts:
    """A table, loaded when something in it is said for the first time: an answer is in one language."""
    found: Texts = import_module(f"{__name__}.{name}").TEXTS
    return found


def text(fact: Fact, language: Language = "en") -> str:
    """The sentence, or the part of one, that says `fact`."""
    answers = _table(language)
    return (answers[fact.id] if fact.id in answers else _table(f"policy_{language}")[fact.id])(fact)


def texts(facts: Iterable[Fact], language: Language = "en") -> list[str]:
    """What is said of each of several facts."""
    return [text(fact, language) for fact in facts]
