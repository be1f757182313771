"""What a report says about a fact: one text per id, in each language.

The texts of a subject of facts (`lineage.types.facts`) are in a module of its name, which is loaded when a text
of it is used for the first time; those of policies and claims are beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal

from lineage.types import facts
from lineage.types.facts import Fact

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")

Texts = Mapping[str, Callable[[Any], str]]

BARE = frozenset({"named-in", "stated", "encoding", "few-bits"})
"""Ids of facts that quote a file, whatever its language."""


def all_texts(language: Language) -> Texts:
    """Every text of a language, by the id of its fact."""
    return {id_: said for subject in (*facts.SUBJECTS, None) for id_, said in _table(language, subject).items()}


@cache
def _table(language: Language, subject: str | None) -> Texts:
    """The texts of a subject, or of policies and claims."""
    name = f"policy_{language}" if subject is None else f"{language}.{subject}"
    found: Texts = import_module(f"{__name__}.{name}").TEXTS
    return found


def text(fact: Fact, language: Language = "en") -> str:
    """The sentence, or the part of one, that expresses `fact`."""
    home, _, subject = type(fact).__module__.rpartition(".")
    return _table(language, subject if home == facts.__name__ else None)[fact.id](fact)


def texts(several: Iterable[Fact], language: Language = "en") -> list[str]:
    """The texts of several facts."""
    return [text(fact, language) for fact in several]
