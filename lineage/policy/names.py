"""Names of models as cards write them: `organisation/name`, or the name alone."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]{3,}")


def bare(name: str) -> str:
    """A name without its organisation and without case."""
    return name.rstrip("/").rpartition("/")[2].lower()


def may_be_same(one: str, other: str) -> bool:
    """Whether two names can mean one model: equal, or equal except that one of them leaves out the organisation."""
    if one.lower() == other.lower():
        return True
    return bare(one) == bare(other) and ("/" not in one or "/" not in other)


def share_a_word(one: str, other: str) -> bool:
    """Whether two names have a word of three letters or more in common, as those of one maker often do."""
    left, right = (set(_WORD.findall(name.lower())) for name in (one, other))
    return not left.isdisjoint(right)
