"""The texts of a page, one table for each language with the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from markupsafe import Markup

from lineage.report.html.markup import escaped
from lineage.report.words import Language, text
from lineage.types.facts import Fact

LANGUAGES: tuple[Language, ...] = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Texts:
    """The table of one language."""

    language: Language
    table: Mapping[str, Mapping[str, str]]

    def __call__(self, key: str, **values: str | int) -> Markup:
        """The text `section.name` with its blanks filled in; every value is escaped unless it is Markup."""
        section, _, name = key.partition(".")
        filled = {blank: escaped(value if isinstance(value, str) else f"{value:,}") for blank, value in values.items()}
        return escaped(self.table[section][name]).format(**filled)

    def word(self, section: str, name: str) -> Markup:
        """The word for a relation, verdict, component or role; a numbered or unknown one keeps its name."""
        table = self.table[section]
        if name in table:
            return escaped(table[name])
        stem, _, number = name.rpartition(" ")
        if number.isdigit() and stem in table:
            return escaped(f"{table[stem]} {number}")
        return escaped(name)

    def fact(self, fact: Fact) -> Markup:
        """The text of a fact."""
        return escaped(text(fact, self.language))


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: Language) -> Texts:
    """The table of a language, read from the package."""
    table = _read(f"{language}.toml")
    return Texts(language, table)


def _read(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))
