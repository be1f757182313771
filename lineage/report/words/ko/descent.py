"""What the graph knows of an edge, and where a card disagrees with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineage.report.figures import percent


def _declares(fact: Any) -> str:
    return f"{fact.child_name} 모델은 {fact.declared} 모델에서 왔다고 밝힘({fact.source})"


TEXTS: dict[str, Callable[[Any], str]] = {
    "put-together": lambda _: "이 모델에는 두 모델에서 온 구성 요소가 있으므로 둘을 합쳐 만든 것임",
    "other-components": lambda _: "이 구성 요소는 여기에서, 나머지는 색인의 다른 모델에서 옴",
    "inferred-parent": lambda fact: (
        f"모델 {fact.children}개가 위의 부모 이후에 학습한 것의 {fact.shared:.2f}만큼을 공유함:"
        " 이들의 부모는 색인에 없고, r은 이들로부터 추정함"
    ),
    "copy-of-unknown": lambda fact: (
        f"{fact.name}의 가중치는 반올림된 값이고, 알려진 어떤 모델도 반올림했을 때 그 값이 되지 않음"
    ),
    "from-initialisation": lambda _: "부모는 학습하지 않은 초기값임",
    "nearer-than-initialisation": lambda _: (
        "이 계통의 초기값이 색인에 있고, 두 모델은 초기값을 거친 것보다 서로 더 가까움"
    ),
    "merge-residual": lambda fact: f"{fact.method}: 움직임의 {fact.residual:.1%}가 설명되지 않음",
    "merge-alternatives": lambda fact: f"똑같이 설명되는 모델: {', '.join(fact.models)}",
    "named-in": lambda fact: fact.source,
    "shared-factors": lambda _: (
        "둘의 첫 인자가 같음: 시작이 같았거나 한쪽을 이어서 학습한 것이며, 두 경우는 똑같이 보임"
    ),
    "one-base": lambda _: (
        "둘이 같거나 계통이 같은 바탕 모델을 바꿈: 바탕이 같은 어댑터는 한쪽이 다른 쪽에서 만들어지지 않아도 일치함"
    ),
    "adapter-added": lambda fact: (
        f"{fact.base} 모델에 어댑터의 {fact.weight:.2f}배를 더하면 움직인 값의 {percent(fact.predicted)}가 나옴"
    ),
    "merged-or-extracted": lambda _: "병합했는지, 차이에서 뽑아냈는지는 가중치로 알 수 없음",
    "declared-unrelated": lambda fact: f"{_declares(fact)}: 가중치에는 관계가 보이지 않음",
    "declared-reversed": lambda fact: f"{_declares(fact)}: 가중치는 반대 방향을 가리킴",
}
