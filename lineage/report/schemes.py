"""How the values of a component are stored, in words."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.report.words import Language, texts
from lineage.types.facts.schemes import Scheme, StoredAs


def scheme_words(schemes: Sequence[Scheme], language: Language = "en") -> str | None:
    """The schemes of a component, the commonest first: "gguf q4_k + q6_k" names the format of several once."""
    if not schemes:
        return None
    first, *rest = schemes
    head = f"{first.encoding.split()[0]} " if isinstance(first, StoredAs) and first.encoding else ""
    return " + ".join([*texts([first], language), *(name.removeprefix(head) for name in texts(rest, language))])
