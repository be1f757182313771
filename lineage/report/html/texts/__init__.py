"""What a page says, one table a language; keys are the same in all."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from lineage.report.html.markup import Markup, escaped, tag
from lineage.report.words import Language, text
from lineage.types.facts import Fact

LANGUAGES: tuple[Language, ...] = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Texts:
    """The table of one language.

    `phrases` turn what the other rooms say in English (findings, reasons) into it: pairs of a pattern and its text.
    """

    language: Language
    table: Mapping[str, Mapping[str, str]]
    phrases: tuple[tuple[re.Pattern[str], str], ...]

    def __call__(self, key: str, **values: str | int) -> Markup:
        """The text `section.name` with its blanks filled in; every value is escaped unless it is Markup."""
        section, _, name = key.partition(".")
        filled = {blank: escaped(value if isinstance(value, str) else f"{value:,}") for blank, value in values.items()}
        return Markup(escaped(self.table[section][name]).format(**filled))

    def word(self, section: str, name: str) -> Markup:
        """The word for a relation, verdict, component or role; a numbered or unknown one keeps what it is called."""
        table = self.table[section]
        if name in table:
            return escaped(table[name])
        stem, _, number = name.rpartition(" ")
        if number.isdigit() and stem in table:
            return escaped(f"{table[stem]} {number}")
        return escaped(name)

    def fact(self, fact: Fact) -> Markup:
        """What is said of a fact."""
        return escaped(text(fact, self.language))

    def phrase(self, english: str) -> Markup:
        """A finding or reason in this language; one that has no pattern stays English and is marked so."""
        if self.language == "en":
            return escaped(english)
        for pattern, made in self.phrases:
            if found := pattern.fullmatch(english):
                return escaped(made.format(*found.groups()))
        return tag("span", english, lang="en")


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: Language) -> Texts:
    """The table of a language, read from the package."""
    table = _read(f"{language}.toml")
    phrases = _read("phrases.toml").get(language, {})
    return Texts(language, table, tuple((_pattern(english), text) for english, text in phrases.items()))


def _read(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))


def _pattern(english: str) -> re.Pattern[str]:
    """A phrase with blanks `{}` as a pattern that captures what fills them."""
    return re.compile("(.+?)".join(re.escape(part) for part in english.split("{}")), re.DOTALL)
