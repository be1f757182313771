"""How relations and numbers are written, and how untrusted text is made safe to show."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lineage.printable import escaped
from lineage.types import Direction, Relation

_PHRASES: dict[Relation, str] = {
    Relation.IDENTICAL: "identical to",
    Relation.RE_ENCODED: "re-encoded",
    Relation.QUANTIZED: "quantized",
    Relation.PRUNED: "pruned",
    Relation.FINE_TUNED: "fine-tuned",
    Relation.ADAPTER_MERGED: "adapter merged",
    Relation.CONTINUED_PRETRAINING: "pretraining continued",
    Relation.VOCABULARY_CHANGED: "vocabulary changed",
    Relation.DEPTH_CHANGED: "layers changed",
    Relation.WIDTH_PRUNED: "width pruned",
    Relation.EXPERT_UPCYCLED: "upcycled to experts",
    Relation.MERGED: "merged",
    Relation.COMPONENT_REUSED: "reused",
    Relation.DISGUISED: "disguised",
    Relation.SHARED_INIT: "same initialisation as",
    Relation.SIBLING: "sibling of",
    Relation.INDEPENDENT: "no inheritance found",
    Relation.INCONCLUSIVE: "too little to tell",
}
_ENDINGS: dict[Direction | None, str] = {
    Direction.CHILD: "from",
    Direction.PARENT: "into",
    Direction.UNDIRECTED: "from or into",
    None: "from or into",
}
_BARE: dict[Relation, str] = {
    Relation.IDENTICAL: "identical",
    Relation.SHARED_INIT: "same initialisation",
    Relation.SIBLING: "sibling",
}
_LETTERLESS = ("Cc", "Cf", "Cs", "Zl", "Zp")


def phrase(relation: Relation, direction: Direction | None, scheme: str | None = None, *, bare: bool = False) -> str:
    """The relation as it stands before the other model's name: "fine-tuned from", "reused into"; `bare` without it."""
    words = _PHRASES[relation] if scheme is None else f"{_PHRASES[relation]} ({plain(scheme)})"
    if bare:
        return _BARE.get(relation, words)
    return words if not relation.is_directed else f"{words} {_ENDINGS[direction]}"


def probability(value: float) -> str:
    """A probability, never rounded up to 1: "0.97", "> 0.99"."""
    return "> 0.99" if value > 0.99 else f"{value:.2f}"


def plain(text: str) -> str:
    """`text` with every character escaped that could move a cursor, colour a screen or reorder a line."""
    return "".join(escaped(c) if unicodedata.category(c) in _LETTERLESS else c for c in text)


def yaml_text(text: str) -> str:
    """`text` as a double-quoted scalar of YAML 1.2 (section 7.3.1) on one line, whatever is in it."""
    return f'"{"".join(_in_quotes(c) for c in text)}"'


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed; keys are ours and stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_text(one, change) for one in value]
    return {key: each_text(one, change) for key, one in value.items()} if isinstance(value, dict) else value


def finite(number: float | None) -> float | None:
    """`number`, or None where it is not finite: JSON has no value for infinity."""
    return number if number is not None and math.isfinite(number) else None


class PValue(NamedTuple):
    """A p-value as it is written: `digits` times ten to the `exponent`, if any; `is_below` says that it is less."""

    digits: str
    exponent: int | None = None
    is_below: bool = False


def p_parts(log10_p: float) -> PValue:
    """A p-value from its logarithm."""
    if log10_p < -300:
        return PValue("1", -300, is_below=True)
    if log10_p > -3:
        return PValue(f"{min(1.0, 10**log10_p):.2g}")
    exponent = math.floor(log10_p)
    return PValue(f"{math.floor(10 ** (log10_p - exponent))}", exponent)


def p_value(log10_p: float) -> str:
    """A p-value from its logarithm: "p 0.31", "p 4e-12", "p < 1e-300"."""
    parts = p_parts(log10_p)
    power = "" if parts.exponent is None else f"e{parts.exponent}"
    return f"p {'< ' if parts.is_below else ''}{parts.digits}{power}"


def correlation_figure(r: float | None) -> str | None:
    """A correlation, never rounded up to 1: "0.07", "0.9999", "1"."""
    if r is None:
        return None
    if abs(r) >= 1.0 - 1e-9:
        return f"{r:.0f}"
    return f"{math.trunc(r * 1e4) / 1e4:.4f}" if abs(r) > 0.995 else f"{r:.2f}"


def correlation(r: float | None) -> str:
    """A correlation with its letter: "r 0.07", "r -" where there is none."""
    return f"r {correlation_figure(r) or '-'}"


def score_figure(z: float | None) -> str | None:
    """A permutation z: "0.4", "188"."""
    if z is None:
        return None
    return f"{z:.1f}" if abs(z) < 10 else f"{z:.0f}"


def score(z: float | None) -> str:
    """A permutation z with its letter: "z 0.4", "z -" where there is none."""
    return f"z {score_figure(z) or '-'}"


def percent(share: float) -> str:
    """A share of the parameters: "0.04%", "2.1%", "100%"."""
    if 0 < share < 0.001:
        return f"{share:.2%}"
    return "100%" if share >= 0.9995 else f"{share:.1%}"


def runs(pairs: Sequence[tuple[int, int]]) -> str:
    """Pairs of layers, neighbours put together: "0-3 = 0-3, 4-7 = 2-5"."""
    return ", ".join(f"{_span(left, length)} = {_span(right, length)}" for left, right, length in _runs(pairs))


def spans(numbers: Sequence[int]) -> str:
    """Numbers in ascending order, neighbours put together: "0-5, 8"."""
    return ", ".join(_span(first, length) for first, _, length in _runs([(n, n) for n in numbers]))


def _runs(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """The first pair of each run in which both sides count up by one, and its length."""
    found: list[tuple[int, int, int]] = []
    for left, right in pairs:
        if found and (left, right) == (found[-1][0] + found[-1][2], found[-1][1] + found[-1][2]):
            found[-1] = (*found[-1][:2], found[-1][2] + 1)
        else:
            found.append((left, right, 1))
    return found


def _span(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"


def count(number: int) -> str:
    """A number of weights: "317", "22.7M", "8.0B"."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)


def _in_quotes(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else escaped(character)
