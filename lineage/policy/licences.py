"""Licences by the names that cards use for them; a name that is not in the table is unknown, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lineage.types.facts_policy import Quotation

_SAYS_NOTHING = frozenset({"", "other", "unknown", "none", "cc", "custom", "proprietary", "see-license", "n/a"})


@dataclass(frozen=True, slots=True)
class Licence:
    """What a licence requires, as far as its text is plain; `unsure` says what has to be read in the text itself.

    `terms` are words of `vocabulary.TERMS`; `compatible` are licences under which share-alike also allows to share.
    `prefix`, `display` and `notice` are words of the licence; `limit` and `unsure` are about it.
    """

    id: str
    name: str
    source: str
    terms: frozenset[str]
    aliases: tuple[str, ...] = ()
    compatible: tuple[str, ...] = ()
    prefix: str | None = None
    display: str | None = None
    notice: str | None = None
    limit: Quotation | None = None
    unsure: Quotation | None = None

    def agrees_with(self, other: Licence) -> bool:
        """Whether what has to stay under this licence may be under `other`."""
        return other.id == self.id or other.id in self.compatible


class Table:
    """Licences by id and alias; the later of two that claim one name wins."""

    def __init__(self, licences: Iterable[Licence]) -> None:
        self.licences = tuple(licences)
        self._by_name = {bare(name): one for one in self.licences for name in (one.name, *one.aliases, one.id)}

    def find(self, text: str | None) -> Licence | None:
        """The licence that a card means by `text`, or None."""
        name = bare(text or "")
        return None if name in _SAYS_NOTHING else self._by_name.get(name)

    def extended(self, licences: Iterable[Licence]) -> Table:
        """A table with further licences, which replace those of the same names."""
        return Table((*self.licences, *licences))


def bare(text: str) -> str:
    """`text` without case, quotes and the word licence, its blanks as hyphens."""
    name = re.sub(r"[\s_]+", "-", text.strip().strip("\"'").lower())
    return re.sub(r"^the-|-licen[cs]e(-agreement)?$", "", name)
