"""Evidence for a direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_WAYS: Mapping[str, str] = {
    "rounding": "반올림하면",
    "pruning": "가지치기하면",
    "quantising": "양자화하면",
    "projection": "투영해 한 방향을 없애면",
    "folding": "정규화를 가중치에 접어 넣으면",
}


def _is_this(side: str) -> bool:
    return side == "this-model"


def _fewer_layers(fact: Any) -> str:
    if _is_this(fact.shallower):
        return f"상대의 층 {fact.of}개 가운데 {fact.layers}개만 있고 다른 층은 없음"
    return f"이 모델의 층 {fact.of}개 가운데 {fact.layers}개만 상대에 있고 다른 층은 없음"


def _computable(fact: Any) -> str:
    finer, coarser = ("상대를", "이 모델이") if _is_this(fact.coarser) else ("이 모델을", "상대가")
    return f"{finer} {_WAYS[fact.by]} {coarser} 되지만 그 반대는 안 됨"


def _fewer_units(fact: Any) -> str:
    return "이 모델의 단위는 상대 단위의 일부임" if _is_this(fact.narrower) else "상대의 단위는 이 모델 단위의 일부임"


def _copied_layers(fact: Any) -> str:
    ends = "이 모델에 상대의" if _is_this(fact.deeper) else "상대에 이 모델의"
    return f"{ends} 층을 복제한 층이 있음"


def _where(side: str) -> str:
    return "이 모델" if _is_this(side) else "상대"


TEXTS: dict[str, Callable[[Any], str]] = {
    "computable": _computable,
    "experts-of-one": lambda _: "MLP 하나로 여러 전문가를 만들 수는 있어도 그 반대는 아님",
    "fewer-units": _fewer_units,
    "grown-vocabulary": lambda fact: (
        f"토큰 표의 값이 {fact.values:,}개 대 {fact.reference_values:,}개: 어휘는 늘어나는 쪽으로 바뀜"
    ),
    "copied-layers": _copied_layers,
    "fewer-layers": _fewer_layers,
    "shrunk-rows": lambda fact: (
        f"{_where(fact.side)}에서는 학습에 나오지 않은 토큰의 행이 {fact.factor:.6f}배로 줄어 있음(가중치 감쇠)"
    ),
    "spread-gains": lambda fact: f"{_where(fact.side)}의 정규화 이득이 {fact.by:.1%} 더 퍼져 있음(더 오래 학습한 모습)",
    "declared-parent": lambda fact: f"밝힌 내용: {fact.source} 파일에 {fact.parent} 모델이 적혀 있음",
}
