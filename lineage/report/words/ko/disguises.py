"""How a disguise was undone, and what was found beneath it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SIDES: Mapping[str, str] = {"this-model": "이 모델", "reference": "상대"}
_BASES: Mapping[str, str] = {
    "permuted": "잔차 스트림이 채널 순서가 바뀌어 있음",
    "rotated": "잔차 스트림이 회전되어 있음",
    "changed": "잔차 스트림이 다른 기저로 쓰여 있음",
    "channels": "층의 채널 순서가 바뀌어 있음",
}
_BENEATH: Mapping[str, str] = {
    "re-encoded": "반올림 말고는 같은 값(재인코딩)",
    "quantized": "양자화",
    "pruned": "가지치기",
    "fine-tuned": "미세조정",
    "continued-pretraining": "추가 사전학습",
    "vocabulary-changed": "어휘 변경",
    "depth-changed": "층 구성 변경",
    "width-pruned": "폭 축소",
    "expert-upcycled": "전문가 모델로 확장",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "same-neurons": lambda fact: (
        f"층 {fact.layers}개에서 비교한 뉴런의 {fact.paired:.0%}가 입력에 같은 작용을 하며,"
        f" 그 가운데 {fact.moved:.0%}는 다른 자리에 있음(자리끼리는 값이 맞지 않음)"
    ),
    "undone-basis": lambda fact: f"되돌린 것: {_BASES[fact.how]}",
    "undone-scales": lambda fact: f"되돌린 것: 행렬 사이에 옮겨진 크기(로그의 퍼짐 {fact.spread:.2f})",
    "undone-gains": lambda _: "되돌린 것: 뒤따르는 행렬에 합쳐진 정규화 이득",
    "folded-gains": lambda fact: f"{_SIDES[fact.side]}의 정규화 이득이 뒤따르는 행렬에 합쳐져 있음",
    "beneath-disguise": lambda fact: f"위장을 걷어낸 관계: {_BENEATH[fact.relation]}",
}
