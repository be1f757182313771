"""A component in words: how much of it was inherited, which part where it is one, and how its values are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lineage.report.figures import percent, plain, spans
from lineage.report.words import Language, texts

if TYPE_CHECKING:
    from lineage.types import ComponentFinding, InheritedPart
    from lineage.types.facts.schemes import Scheme

MOST_PARTS = 4
"""Parts spelled out before the rest is counted."""

_KINDS: Mapping[str, str] = {"mlp": "MLP", "q": "query", "k": "key", "v": "value", "o": "attention output"}


def share_words(finding: ComponentFinding) -> str:
    """The share of the model in a component, and how much of it was inherited where that is less: "21.4% of 85.7%"."""
    whole, came = percent(finding.share), percent(finding.share_inherited)
    return whole if whole == came else f"{came} of {whole}"


def named(words: str, parts: Sequence[InheritedPart]) -> str:
    """`words` with the parts that they are true of: "reused from base: attention of all layers"."""
    return f"{words}: {parts_words(parts)}" if parts else words


def parts_words(parts: Sequence[InheritedPart]) -> str:
    """Parts of a component: "layers 0-5, 8; attention of layers 6-7; token embedding"."""
    more = [f"and {len(parts) - MOST_PARTS} more"] if len(parts) > MOST_PARTS else []
    return "; ".join([*map(_part, parts[:MOST_PARTS]), *more])


def scheme_words(schemes: Sequence[Scheme], language: Language = "en") -> str | None:
    """The schemes of a component, the commonest first: "gguf q4_k + q6_k" names the format of several once."""
    if not schemes:
        return None
    from lineage.types.facts.schemes import StoredAs

    first, *rest = schemes
    head = f"{first.encoding.split()[0]} " if isinstance(first, StoredAs) and first.encoding else ""
    return " + ".join([*texts([first], language), *(name.removeprefix(head) for name in texts(rest, language))])


def _part(part: InheritedPart) -> str:
    where = "all layers" if part.every else f"layer{'s'[: len(part.layers) > 1]} {spans(part.layers)}"
    if part.kind is None:
        return where
    kind = _KINDS.get(part.kind, plain(part.kind.replace("-", " ")))
    return f"{'some ' if part.some else ''}{kind}{f' of {where}' if part.layers else ''}"
