"""What is wrong with a word of a rule file, for the error that rejects it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

MOST = 64  # characters of a wrong word that are repeated


def unknown(word: object, words: Sequence[str], what: str = "word") -> str:
    """An unknown word, with the known one that it resembles or else all known ones."""
    near = get_close_matches(str(word)[:MOST], words, 1)
    hint = f"did you mean {quoted(near[0])}?" if near else choice(sorted(words))
    return f"unknown {what} {quoted(word)}; {hint}"


def missing(key: str, words: Sequence[str]) -> str:
    """A missing key, with the words that it may have."""
    return f"{key} is missing; {choice(words)}"


def choice(words: Sequence[str]) -> str:
    """The words to choose from."""
    return f"choose from {', '.join(words)}"


def quoted(word: object) -> str:
    """The beginning of a word in quotes, whatever characters are in it."""
    return repr(str(word)[:MOST])


def with_article(word: str) -> str:
    """The word with its article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
