"""Why a tensor is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_TABLES: Mapping[str, str] = {
    "constant": "상수",
    "causal-mask": "인과 마스크",
    "counter": "횟수 값",
    "counter-or-positions": "순번 또는 위치 번호",
    "evenly-spaced": "등간격 값",
    "geometric-series": "등비수열(회전 위치 주파수)",
    "window": "창 함수",
    "one-hot": "원핫 또는 항등행렬",
    "zero-one-mask": "0과 1의 마스크",
    "position-ids": "위치 번호",
    "position-index-or-mask": "위치 번호표 또는 마스크",
    "rotary-table": "회전 위치표",
    "sinusoidal-positions": "사인파 위치표",
    "stft-basis": "STFT 기저",
    "cosine-basis": "코사인 기저",
    "mel-filterbank": "멜 필터뱅크",
    "constant-q-basis": "상수 Q 기저",
    "prior-boxes": "사전 상자(prior box)",
}
_OTHERS: Mapping[str, str] = {
    "optimizer-state": "최적화기 상태",
    "training-counter": "학습 횟수",
    "training-metric": "학습 지표",
    "moving-average": "옆에 있는 가중치의 이동 평균",
    "random-state": "난수 상태",
    "prune-mask": "가지치기 마스크(해당 가중치에 적용함)",
    "spectral-vector": "스펙트럼 노름 벡터",
    "rotary-factors": "회전 위치 계수(설정에서 계산됨)",
    "setting": "프로그램 설정값",
    "quantisation-scales": "양자화한 값의 배율",
    "single-number": "수 하나(가중치 아님)",
    "integers": "정수(이 버전이 읽는 가중치가 아님)",
    "integers-or-truth-values": "정수 또는 참거짓 값(가중치 아님)",
    "integers-of-graph": "그래프의 정수(가중치 아님)",
    "numbers-of-graph": "그래프의 수(가중치 아님)",
    "repeated-value": "한 값의 반복",
    "repeated-view": "저장된 적은 값을 되풀이하는 뷰",
    "saved-twice": "두 번 저장된 같은 변수",
    "link": "링크(따라가지 않음)",
    "text": "수가 아닌 텍스트",
    "text-or-dates": "수가 아닌 텍스트 또는 날짜",
    "text-or-records": "수가 아닌 텍스트 또는 레코드",
    "objects-or-text": "수가 아닌 파이썬 객체 또는 텍스트의 배열",
    "never-written": "기록된 적 없음",
    "no-elements": "원소가 없음",
    "infinities": "무한대 값(마스크 또는 경계)",
    "not-in-shard-index": "조각 파일의 색인에 없음",
    "extreme-values": "가중치라고 보기에는 지나치게 크거나 작은 값",
}
_PARTS: Mapping[str, str] = {
    "dora-magnitude": "DoRA의 크기 값: 여기에 없는 바탕 모델의 행에 곱해짐",
    "added-bias": "모듈의 편향에 어댑터가 더하는 편향",
    "token-rows": "일부 토큰의 행",
    "copy-of-base": "바탕 모델 가중치의 복사본",
    "base-weight": "어댑터가 바꾸는 바탕 모델의 가중치",
    "whole-change": "바탕 모델에 통째로 더하는 변화량(읽지 않음)",
    "decomposed-factor": "더 분해된 커널의 인자(읽지 않음)",
    "no-factor": "어댑터의 인자가 아님",
    "unmerged-factor": "가중치에 병합되지 않은 어댑터의 인자",
    "trained-in-place": "바탕 모델의 것을 대신해 학습됨(바탕 모델의 것도 함께 있음)",
}
_UNREAD: Mapping[str, str] = {
    "coreml-compressed": "읽지 않는 방식으로 압축된 값",
    "awq-codes": "AWQ용으로 묶은 4비트 부호(이 형식에서는 읽지 않음)",
    "int8-without-scales": "배율이 없는 int8 값",
    "sliced-variable": "조각으로 나뉜 변수(잇지 않음)",
    "codes-without-range": "그래프에 범위가 없는 부호",
    "unknown-type": "알 수 없는 자료형",
    "foreign-layer": "바이트로 저장된 다른 프레임워크의 층",
    "nested-tensor": "중첩된 torch 텐서",
    "meta-tensor": "값이 없는 메타 텐서",
    "foreign-device": "다른 장치의 텐서",
    "wrapped-tensor": "감싸인 torch 텐서",
    "array-in-pickle": "피클 안의 NumPy 배열",
    "old-torchscript": "torch 1.4 이전 TorchScript 프로그램의 텐서",
    "unknown-quantisation": "방식을 알 수 없는 양자화 torch 텐서",
    "sparse-layout": "알려지지 않은 배치의 희소 torch 텐서",
    "sparse-tensor": "희소 텐서",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "fixed-table": lambda fact: _TABLES[fact.table],
    "not-a-weight": lambda fact: _OTHERS[fact.what],
    "adapter-part": lambda fact: _PARTS[fact.part],
    "not-read": lambda fact: _UNREAD[fact.form],
    "unread-packing": lambda fact: f"읽지 않은 묶음 방식: {fact.packing}",
    "unread-type": lambda fact: f"이 버전이 읽지 못하는 자료형 '{fact.dtype}'",
    "unread-wrapper": lambda fact: f"다른 텐서를 감싸는 {fact.wrapper}",
    "unread-tokenizer": lambda fact: f"읽을 수 없는 토크나이저: {fact.problem}",
    "not-finite": lambda fact: (
        f"{'float32 범위를 넘는 유한한 값' if fact.beyond_float32 else 'NaN 또는 무한대 값'} {fact.count:,}개"
    ),
    "stated": lambda fact: fact.words,
    "vector": lambda _: "벡터(이득, 편향, 맞춘 상수)는 관계없는 신경망 사이에서도 일치함",
    "other-order": lambda _: "행이나 값이 같지만 순서가 다름: z가 아니라 행으로 검사함",
}
