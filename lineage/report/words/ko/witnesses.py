"""What a tokenizer and a configuration show, apart from the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lineage.report.figures import p_value

if TYPE_CHECKING:
    from lineage.types.facts.witnesses import TokenizerStanding
    from lineage.types.settings import ConfiguredPart
    from lineage.types.tokenizers import TokenizerBasis, TokenKind

_STANDS: Mapping[TokenizerStanding, str] = {
    "reordered": "{} 토크나이저와 연관 있음: 같은 토큰이 다른 순서로 있으며, 어느 쪽이 먼저인지는 정해지지 않음",
    "replaced": "{} 토크나이저와 연관 있음: 일부 토큰이 제자리에서 바뀌었으며, 어느 쪽이 먼저인지는 정해지지 않음",
    "siblings": "{} 토크나이저와 형제: 둘의 일부가 같은 순서이고, 양쪽 모두 고유한 토큰이 있음",
    "independent": "{} 토크나이저와 무관: 함께 가진 토큰의 순서가 같지 않음",
    "inconclusive": "{} 토크나이저와의 관계는 판단하기에 부족",
    "begun-alike": ("{} 토크나이저와 연관 있음: 한쪽의 앞부분이 다른 쪽과 같으며, 어느 쪽이 먼저인지는 정해지지 않음"),
    "extended-from": "{} 토크나이저를 확장한 것",
    "pruned-from": "{} 토크나이저에서 토큰을 덜어 낸 것",
    "merged-from": "{} 토크나이저와 다른 것을 합친 것",
    "base-of": "이를 확장한 것이 {} 토크나이저임",
    "pruned-into": "여기에서 토큰을 덜어 낸 것이 {} 토크나이저임",
    "merged-into": "이것과 다른 것을 합친 것이 {} 토크나이저임",
}
_BASIS: Mapping[TokenizerBasis, str] = {
    "behind": "더해진 토큰이 따로 모여 있고, 바로 앞뒤의 토큰과 길이나 문자, 만들어진 방식이 다름",
    "subset": "부모의 토큰이 곳곳에서 빠져 있음",
    "reserved": "특수 토큰만 더해짐",
    "fixed": "글자, 숫자, 반복 토큰만 더해짐",
}
_KINDS: Mapping[TokenKind, str] = {
    "bytes": "바이트",
    "characters": "글자",
    "digits": "숫자",
    "repeats": "반복",
    "reserved": "예약 토큰",
}
_PARTS: Mapping[ConfiguredPart, str] = {"text": "텍스트", "vision": "비전", "audio": "오디오"}


def _known_tokenizer(fact: Any) -> str:
    return (
        f"{_STANDS[fact.standing].format(fact.other)}: 토큰 약 {fact.tokens:,}개가 같은 순서이며"
        f" {p_value(fact.log10_p)}(알려진 {fact.known}개에 대해 보정), 고유한 토큰은 {fact.own:,}개"
    )


def _order(fact: Any, ordered: str = "") -> str:
    figures = f"z {fact.z:.1f}, {p_value(fact.log10_p)}"
    return f"순서: {ordered}{figures}, 이웃이 남아 있는 곳은 {fact.anchors:,}곳 가운데 {fact.kept:,}곳"


TEXTS: dict[str, Callable[[Any], str]] = {
    "equal-tokenizers": lambda fact: (
        f"{fact.other} 토크나이저와 동일{'(특수 토큰은 다름)' if fact.but_special else ''}"
    ),
    "tokenizer-stands": lambda fact: _STANDS[fact.standing].format(fact.other),
    "own-tokenizer": lambda fact: (
        f"고유한 토크나이저: 토큰의 {fact.shared:.0%}가 {fact.other} 토크나이저에도 있으나(알려진 {fact.known}개 가운데"
        " 가장 많음) 순서가 같지 않음"
    ),
    "unclear-tokenizer": lambda fact: (
        f"알려진 {fact.known}개 가운데 가장 가까운 {fact.other} 토크나이저와의 관계를 판단하기에 부족"
    ),
    "known-tokenizer": _known_tokenizer,
    "shared-tokens": lambda fact: (
        f"함께 가진 토큰: 이쪽의 {fact.of_this:.1%}, 상대의 {fact.of_other:.1%}, 약 {fact.tokens:,}개. 무관한"
        f" 토크나이저끼리도 {fact.most:.0%}까지(중앙값 {fact.median:.0%}) 겹치므로 근거가 아님"
    ),
    "tokens-in-order": lambda fact: _order(fact, f"그 가운데 약 {fact.tokens:,}개가 같은 순서, "),
    "token-order": _order,
    "own-tokens": lambda fact: (
        f"{'상대의 ' if fact.side == 'other' else ''}고유한 토큰: 약 {fact.tokens:,}개, 그 가운데"
        f" {fact.behind:,}개는 공통 부분의 뒤에 있음"
    ),
    "unseen-tokens": lambda fact: f"찾을 수 있었던 것: 어휘의 {fact.reach:.0%} 이상이 상대에서 온 토크나이저",
    "token-direction": lambda fact: f"방향: {_BASIS[fact.basis]}",
    "special-tokens": lambda fact: (
        f"특수 토큰: 양쪽 모두 {fact.shared:,}개, 한쪽에만 각각 {fact.only_this:,}개와 {fact.only_other:,}개"
    ),
    "texts-cut": lambda fact: f"글을 자르는 정규식이 {'같음' if fact.same else '다름'}",
    "tokens-left-out": lambda fact: f"{_KINDS[fact.kind]} {fact.of_this:,}개와 {fact.of_other:,}개",
    "tokenizers-are-shared": lambda _: "토크나이저를 함께 쓰는 일은 흔하며, 가중치에 관해서는 아무것도 말하지 않음",
    "nearest-settings": lambda fact: (
        f"{_PARTS[fact.part]} 설정 {fact.of}개 가운데 {fact.equal}개가 {fact.model} 모델의 설정과 같음"
        f"(공개된 설정 {fact.known:,}건 가운데 가장 가까움)"
    ),
    "rare-setting": lambda fact: (
        f"{fact.name} {fact.value}: 이 항목이 있는 설정 {fact.of:,}건 가운데 {fact.models:,}건이 같은 값"
    ),
    "declared-type": lambda fact: f"{_PARTS[fact.part]} 부분의 종류를 {fact.model_type}(으)로 밝힘",
    "settings-are-shared": lambda _: "설정이 같은 일은 흔하며, 가중치에 관해서는 아무것도 말하지 않음",
}
