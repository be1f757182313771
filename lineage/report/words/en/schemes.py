"""How values are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_LEVELS: Mapping[str, str] = {"int4-offset": "4-bit with offsets"}
_SCALES: Mapping[str, str] = {
    "tensor": "one scale for all",
    "row": "one scale a row",
    "column": "one scale a column",
    "part-of-row": "one scale for a part of a row",
    "part-of-column": "one scale for a part of a column",
}


def _few_bits(fact: Any) -> str:
    levels: str = _LEVELS.get(fact.levels, fact.levels)
    if fact.group is None:
        return levels
    return f"{levels}, {f'one scale for {fact.group}' if fact.group else 'one scale a row'}"


TEXTS: dict[str, Callable[[Any], str]] = {
    "encoding": lambda fact: fact.encoding,
    "few-bits": _few_bits,
    "blurred-levels": lambda fact: f"{fact.levels}, {_SCALES[fact.scales]} (stored as {fact.dtype})",
    "more-zeros": lambda fact: f"{fact.share:.0%} zeros",
    "unit-scales": lambda _: "a scale for each unit",
    "other-factor": lambda _: "another factor",
}
