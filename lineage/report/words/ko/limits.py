"""What a search looked for, and what it does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_LOOKED_FOR: Mapping[str, str] = {
    "copy": "복사, 이름 바꾸기, 파일 나누기, 전치, 자료형 변환",
    "rounding": "int8과 int4로 반올림",
    "pruning": "개별 가중치 가지치기",
    "tuning": "미세조정과 추가 사전학습",
    "layers": "층의 추가, 삭제, 순서 변경",
    "vocabulary": "어휘 추가",
    "row-order": "텐서 하나 안의 행 순서 변경",
    "component": "구성 요소 하나의 재사용",
    "merge": "여기에 알려진 여러 부모의 병합",
    "adapter-merge": "알려진 모델에 얹어 다른 알려진 모델로 병합한 경우(배수는 무엇이든)",
    "adapter-copy": "어댑터의 복사, 이름 바꾸기, 배수 변경",
    "disguise": "단위 순서를 바꾸거나 회전시키거나 크기를 옮긴 층",
}
_NOT_TESTED: Mapping[str, str] = {
    "merge": "여러 부모의 병합(lineage decompose 명령으로 검사)",
    "hidden-units": "단위 순서를 바꾸거나 회전시킨 신경망 전체",
    "hidden-elsewhere": (
        "어텐션 층도 아니고 합성곱이나 밀집 층이 차례로 이어진 것도 아니거나, 어느 한쪽을 전체로 읽지 않았거나,"
        " 어휘를 줄이거나 순서를 바꿨는데 토크나이저가 없는 신경망의 순서 변경과 회전"
    ),
    "distillation": "증류를 비롯해 기능만 닮은 경우(가중치에 흔적이 남지 않음)",
    "absent-parent": "색인에 없는 공통 부모(그 자식끼리는 부모와 자식처럼 보임)",
    "outside-sample": "전체를 읽지 않은 모델에서 표본 밖의 행(--depth full 옵션은 전체를 읽음)",
    "adapter-direction": (
        "닮은 두 어댑터 가운데 한쪽이 다른 쪽에서 만들어졌는지, 그렇다면 어느 쪽인지:"
        " 비슷한 시작과 비슷한 데이터도 같은 흔적을 남김"
    ),
    "dora-merge": "DoRA 어댑터의 병합: 그 크기 값은 여기에 없는 바탕 모델의 행에 곱해짐",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "looked-for": lambda fact: _LOOKED_FOR[fact.change],
    "not-tested": lambda fact: _NOT_TESTED[fact.what],
    "other-version": lambda fact: (
        f"다른 버전이 스케치한 색인의 모델: {fact.models:,}개(lineage doctor 명령이 목록을 보여 줌)"
    ),
    "unopened-models": lambda fact: f"크기가 충분한 모델 {fact.models:,}개의 모양",
    "whole-tensors": lambda fact: f"바탕 모델의 텐서를 통째로 바꾸는 어댑터의 텐서 {fact.tensors}개(modules_to_save)",
}
