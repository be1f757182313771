"""How values are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_LEVELS: Mapping[str, str] = {"int4-offset": "오프셋이 있는 4비트"}
_SCALES: Mapping[str, str] = {
    "tensor": "전체에 배율 하나",
    "row": "행마다 배율 하나",
    "column": "열마다 배율 하나",
    "part-of-row": "행의 일부마다 배율 하나",
    "part-of-column": "열의 일부마다 배율 하나",
}


def _few_bits(fact: Any) -> str:
    levels: str = _LEVELS.get(fact.levels, fact.levels)
    if fact.group is None:
        return levels
    return f"{levels}, {f'값 {fact.group}개마다 배율 하나' if fact.group else _SCALES['row']}"


TEXTS: dict[str, Callable[[Any], str]] = {
    "encoding": lambda fact: fact.encoding,
    "few-bits": _few_bits,
    "blurred-levels": lambda fact: f"{fact.levels}, {_SCALES[fact.scales]}({fact.dtype} 자료형으로 저장)",
    "more-zeros": lambda fact: f"0이 {fact.share:.0%}",
    "unit-scales": lambda _: "단위마다 배율 하나",
    "other-factor": lambda _: "다른 배수",
}
