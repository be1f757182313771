"""Changes that were found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TEXTS: dict[str, Callable[[Any], str]] = {
    "projected-out": lambda fact: f"행렬 {fact.matrices}개에서 한 방향을 투영해 없앰",
    "low-rank": lambda fact: f"행렬 {fact.matrices}개에서 차이의 계수가 {fact.rank}",
    "low-ranks": lambda fact: (
        f"행렬 {fact.matrices}개에서 차이의 계수가 {fact.rank}(행렬 {fact.of}개에서 최대 {fact.largest})"
    ),
    "other-few-bits": lambda _: "비트 수가 적은 값이지만 상대 값을 그대로 반올림한 것은 아님",
    "unchanged-values": lambda fact: f"조정된 행렬 {fact.matrices}개에서 표본 값의 {fact.share:.0%}가 그대로임",
    "equal-matrices": lambda fact: f"행렬 {fact.of}개 가운데 {fact.equal}개가 같음",
    "moved-tokens": lambda _: "토큰 행의 위치가 다름",
}
