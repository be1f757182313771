"""Texts with words in braces: those of rule files, filled with the figures of what the rule applies to."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BRACES = re.compile(r"\{([^{}]*)\}")


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with every word in braces replaced; inserted values are not expanded again."""
    return _BRACES.sub(lambda match: words.get(match[1], match[0]), text)


def words_of(text: str) -> frozenset[str]:
    """The words in braces of a text."""
    return frozenset(_BRACES.findall(text))
