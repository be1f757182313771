"""What an answer knows only from sketches that were handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FIGURES: Mapping[str, str] = {
    "values": "값(다이제스트는 같음)",
    "units": "단위",
    "sums": "거듭제곱의 합",
    "statistics": "통계값",
    "row-codes": "행 부호",
    "neurons": "뉴런",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "own-weights-unseen": lambda _: "가중치를 여기서 보지 못함: 넘겨받은 스케치이며 보낸 쪽의 말일 뿐임",
    "weights-unseen": lambda fact: (
        f"가중치를 여기서 보지 못함: {', '.join(fact.names)}(넘겨받은 스케치로만 알려져 있으며 보낸 쪽의 말일 뿐임)"
    ),
    "claim-contradicted": lambda fact: (
        f"모순: {'이 가중치' if fact.by_weights else '이 스케치'}의 식별자로 넘겨받은 스케치 {fact.name}은(는)"
        f" {FIGURES[fact.figure]}이(가) 다름. {'이것이' if fact.by_weights else '둘 중 하나가'} 위조되었거나 손상됨."
        f" {fact.name}은(는) 제외함"
    ),
}
