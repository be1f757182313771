"""Korean: what rules, audits and checked claims say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lineage.report.figures import correlation, p_value, percent, score
from lineage.report.words import rules_ko, text
from lineage.report.words.templates import filled
from lineage.types import Certainty, Relation, Verdict
from lineage.types.facts_claims import CountFar, Descends, FromAncestor, NoTrace, OtherRelation, PartsInherited
from lineage.types.facts_policy import Figure, Quotation, RuleAdvice, RuleApplies

_RELATIONS: Mapping[Relation, str] = {
    Relation.IDENTICAL: "동일",
    Relation.RE_ENCODED: "재인코딩",
    Relation.QUANTIZED: "양자화",
    Relation.PRUNED: "가지치기",
    Relation.FINE_TUNED: "미세조정",
    Relation.ADAPTER_MERGED: "어댑터 병합",
    Relation.CONTINUED_PRETRAINING: "추가 사전학습",
    Relation.VOCABULARY_CHANGED: "어휘 변경",
    Relation.DEPTH_CHANGED: "층 구성 변경",
    Relation.WIDTH_PRUNED: "폭 축소",
    Relation.EXPERT_UPCYCLED: "전문가 모델로 확장",
    Relation.MERGED: "모델 병합",
    Relation.COMPONENT_REUSED: "구성 요소 재사용",
    Relation.DISGUISED: "순서·회전 변환",
    Relation.SHARED_INIT: "같은 초기값",
    Relation.SIBLING: "형제 모델",
    Relation.INDEPENDENT: "물려받은 흔적 없음",
    Relation.INCONCLUSIVE: "판단하기에 부족",
}
_VERDICTS: Mapping[Verdict, str] = {
    Verdict.IDENTICAL: "동일",
    Verdict.DERIVED: "파생",
    Verdict.PARTLY_DERIVED: "일부 파생",
    Verdict.ORIGIN: "기원",
    Verdict.RELATED: "연관 있음",
    Verdict.INDEPENDENT: "물려받은 흔적 없음",
    Verdict.INCONCLUSIVE: "판단 불가",
}
_COMPONENTS: Mapping[str | None, str] = {
    None: "전체",
    "text decoder": "텍스트 디코더",
    "text encoder": "텍스트 인코더",
    "vision encoder": "비전 인코더",
    "audio encoder": "오디오 인코더",
    "projector": "프로젝터",
    "embeddings": "임베딩",
    "experts": "전문가 층",
    "head": "출력 헤드",
    "network": "신경망 전체",
}
_OPEN: Mapping[Certainty | None, str] = {
    "possible": " ({ancestor} 모델이 조상일 때의 이야기입니다. 방향이 정해지지 않았거나 근거가 약합니다.)",
    "declared": " ({ancestor} 모델은 밝혀져 있을 뿐 측정되지 않았습니다.)",
}


def name(found: str | None) -> str:
    """The name of a model, or what it is called without one; "모델" follows it."""
    return "색인에 없는 부모" if found is None else found


def _licence(found: Any) -> str:
    return "표시 없음" if found is None else str(found)


def _components(names: Any) -> str:
    """Components by their Korean names; those of a pipeline, and several named together, keep theirs."""
    return ", ".join(_COMPONENTS.get(one, str(one)) for one in names)


def _quoted(wording: Quotation) -> str:
    """The text of our own rule or licence in Korean, a user's own as it was written."""
    return wording.text if wording.key is None else rules_ko.TEXTS[wording.key]


_FIGURES: Mapping[str, Callable[[Any], str]] = {
    "model-licence": _licence,
    "licence": _licence,
    "other-licence": _licence,
    "ancestor": name,
    "other": name,
    "component": _components,
    "relation": lambda words: " · ".join(_RELATIONS[word] for word in words),
    "share": lambda share: "알 수 없는 비율" if share is None else percent(share),
    "models": lambda models: f"{models:,}",
    "reach": lambda reach: "1(견줄 다른 부분이 없음)" if reach is None else f"{reach:.2f}",
    "nearest": lambda nearest: "알려진" if nearest is None else nearest,
    "tokenizers": lambda known: f"{known:,}",
    "bound": lambda bound: "등급 없음" if bound is None else bound,
    "limit": _quoted,
    "unsure": _quoted,
}


def _ruled(wording: Quotation, figures: Mapping[str, Figure], more: str = "") -> str:
    own = " (규칙 파일의 원문)" if wording.key is None else ""
    words = {key: _FIGURES.get(key, str)(value) for key, value in figures.items()}
    return filled(_quoted(wording) + own + more, words)


def _applies(fact: RuleApplies) -> str:
    return _ruled(fact.wording, fact.figures, _OPEN.get(fact.certainty, ""))


def _advice(fact: RuleAdvice) -> str:
    return _ruled(fact.wording, fact.figures)


def _line(line: FromAncestor) -> str:
    """A line of descent with its figures, as the part of a sentence before "왔습니다"."""
    figures = [_RELATIONS[line.relation]]
    figures += [correlation(line.r)] if line.r is not None else []
    figures += [score(line.z)] if line.z is not None else []
    figures.append(f"확신도 {line.confidence:.2f}")
    through = f"{', '.join(map(name, line.through))} 모델을 거쳐 " if line.through else ""
    return f"{through}{name(line.ancestor)} 모델에서({', '.join(figures)})"


def _reach(reach: float | None) -> str:
    return "" if reach is None else f" r이 {reach:.2f} 이상인 흔적이 있었다면 찾았을 것입니다."


def _directed(fact: Descends | OtherRelation) -> str:
    rest = " 둘 가운데 어느 쪽이 부모인지는 측정되지 않았습니다." if fact.is_open else ""
    return f"{_line(fact.line)} 왔습니다.{rest}"


def _no_trace(fact: NoTrace) -> str:
    rest = "이것만으로는 주장과 어긋난다고 할 수 없습니다."
    if fact.instead is not None:
        rest = f"측정 결과로는 {_line(fact.instead)} 왔습니다."
    return f"{fact.name} 모델의 흔적이 나오지 않았습니다.{_reach(fact.reach)} {rest}"


def _count_far(fact: CountFar) -> str:
    way = "적습니다" if fact.is_fewer else "많습니다"
    return f"텐서의 매개변수는 {fact.params:,}개이며, 주장보다 {fact.factor:,.1f}배 {way}."


def _parts(fact: PartsInherited) -> str:
    return f"{_components(fact.components)}(매개변수의 {percent(fact.share)}): {_line(fact.line)} 왔습니다."


def _stored(schemes: tuple[str, ...]) -> str:
    return f"행렬의 저장 형식: {', '.join(schemes) or '없음'}."


TEXTS: dict[str, Callable[[Any], str]] = {
    "rule": _applies,
    "rule-advice": _advice,
    # outcomes of an audit
    "licences-disagree": lambda f: f"측정된 조상의 라이선스가 요구하는 것과 {f.model} 모델이 밝힌 것이 어긋납니다.",
    "licences-open": lambda _: "알려지지 않은 라이선스나 방향이 있어 판단할 수 없습니다.",
    "licences-agree": lambda _: "알려진 라이선스 사이에서 어긋나는 것이 나오지 않았습니다.",
    "scratch-refuted": lambda f: (
        f"매개변수의 {percent(f.share)}에 대해서는 “처음부터 학습했다”는 주장이 성립하지 않습니다."
    ),
    "scratch-open": lambda _: "반박된 것은 없으나 모든 것을 판단할 수는 없었습니다.",
    "scratch-not-refuted": lambda f: (
        f"모델 {f.models:,}개에서 물려받은 흔적이 나오지 않았습니다.{_reach(f.reach)} 처음부터 학습했음을 증명하지는"
        " 않습니다."
    ),
    "class-too-low": lambda f: f"높아야 {f.bound}이며, 규칙이 요구하는 등급보다 낮습니다.",
    "class-open": lambda f: f"높아야 {f.bound}이며, 모든 것을 판단할 수는 없었습니다.",
    "class-bound": lambda f: f"높아야 {f.bound}입니다.",
    # what is not said
    "no-legal-advice": lambda _: (
        "카드에 적힌 것을 라이선스가 요구하는 것과 견줄 뿐 법률 자문이 아니며, 권리자가 달리 합의했을 수 있습니다."
    ),
    "weight-licences-only": lambda _: "데이터, 코드, 토크나이저의 라이선스는 보지 않습니다.",
    "unknown-common-parent": lambda _: "여기에 알려지지 않은 한 부모의 두 자식은 부모와 자식처럼 보입니다.",
    "refutes-only": lambda _: "반박할 수는 있어도, 어떤 결과도 모델을 처음부터 학습했음을 보증하지는 않습니다.",
    "same-maker-parent": lambda _: (
        "만든 이가 같은 부모는 주장을 반박하지 않습니다. 그 부모에 대해서도 같은 것을 물어보십시오."
    ),
    "class-scheme": lambda _: (
        "T-Class 2.0은 Seung Hyun Lee(2026)의 것입니다(CC BY-SA 4.0). 상한은 가중치가 허용하는 최대일 뿐"
        " 평가가 아닙니다."
    ),
    "same-maker-class": lambda _: (
        "부모를 누가 만들었는지는 가중치로 알 수 없습니다. 만든 이가 같다면 부모의 상한이 이 모델의 상한입니다."
    ),
    "classes-unseen": lambda _: "T0, T1, 데이터, 하드웨어, 클라우드는 가중치로 알 수 없습니다.",
    "outcomes-mean": lambda _: (
        "강한 근거가 있을 때만 “어긋남”이라고 합니다. “확인 안 됨”은 가중치나 이 색인으로는 알 수 없다는 뜻입니다."
    ),
    "never-proved": lambda _: "가중치는 모델을 처음부터 학습했음을 결코 증명하지 않습니다.",
    # claims of a base model or of a relation
    "not-indexed": lambda f: f"{f.name} 모델이 색인에 없어 견줄 수 없었습니다.",
    "descends": _directed,
    "same-weights": lambda _: "가중치가 서로 같습니다.",
    "base-descends": lambda f: (
        f"가중치로 보면 반대입니다. 그 모델이 이 모델에서 만들어졌습니다({_RELATIONS[f.relation]}, 근거:"
        f" {text(f.because, 'ko')})."
    ),
    "little-compared": lambda _: "견줄 수 있는 것이 너무 적었습니다.",
    "no-line-measured": lambda f: (
        f"두 모델의 관계는 “{_VERDICTS[f.verdict]}”이나, 그 모델에서 이어지는 계통은 측정되지 않았습니다."
    ),
    "no-trace": _no_trace,
    "unknown-relation": lambda f: f"“{f.claimed}”은(는) 여기에 알려진 관계가 아닙니다. {', '.join(f.known)}",
    "no-parent": lambda _: "측정된 부모가 없습니다.",
    "nothing-changed": lambda f: f"바뀐 것이 없습니다. 모든 가중치가 {name(f.parent)} 모델과 같습니다.",
    "other-relation": lambda f: f"측정 결과로는 {_directed(f)}",
    # claims of a licence
    "licence-violated": lambda f: f"{_applies(f.rule)} `lineage audit --policy licence`로 더 볼 수 있습니다.",
    "no-licence-above": lambda _: "라이선스는 가중치로 알 수 없으며, 라이선스가 있는 조상도 측정되지 않았습니다.",
    "licence-above-open": lambda _: (
        "라이선스를 모르거나 판단할 수 없는 조상이 있습니다. `lineage audit --policy licence`로 볼 수 있습니다."
    ),
    "licence-agrees": lambda f: f"{name(f.ancestor)} 모델과 그 위의 라이선스와 어긋나는 것이 없습니다.",
    # claims of a number of parameters
    "no-count": lambda f: f"“{f.claimed}”에서 매개변수의 수 하나를 읽을 수 없습니다.",
    "count-fits": lambda f: f"텐서의 매개변수는 {f.params:,}개입니다.",
    "count-near": lambda f: (
        f"텐서의 매개변수는 {f.params:,}개입니다. 이름에서 반올림하는 정도보다는 크게 다르나 어긋난다고 할 만큼은"
        " 아닙니다."
    ),
    "count-far": _count_far,
    # claims of training from scratch
    "unclear-subject": lambda _: "이 모델이 아닌 다른 것을 말하는 문장일 수 있습니다.",
    "nothing-inherited": lambda f: (
        f"모델 {f.models:,}개에서 물려받은 것이 측정되지 않았습니다.{_reach(f.reach)} 주장을 증명하지는 않습니다."
    ),
    "earlier-state": lambda f: f"{_line(f.line)} 왔으며, 만든 이가 같은 이전 상태일 수 있습니다.",
    "parts-inherited": _parts,
    # claims of a quantisation
    "no-bits": lambda f: f"{_stored(f.schemes)} “{f.claimed}”에는 비트 수가 없습니다.",
    "stored-as": lambda f: _stored(f.schemes),
    "stored-in-bits": lambda f: f"{_stored(f.schemes)} 가중치 하나에 {f.bits}비트입니다.",
    "off-levels": lambda f: f"{_stored(f.schemes)} 값이 {f.levels}단계 위에 놓여 있지 않습니다.",
    "stored-unsettled": lambda f: f"{_stored(f.schemes)} 이것으로는 정해지지 않습니다.",
    # claims of a tokenizer of one's own
    "no-tokenizer": lambda _: "가중치 곁에 알려진 것과 견줄 수 있는 토크나이저가 없습니다.",
    "tokenizer-not-traced": lambda f: (
        f"알려진 토크나이저 {f.known:,}개 가운데 어느 것에서도 오지 않았습니다. 그렇다고 주장이 증명되지는 않습니다."
    ),
    "tokenizer-akin": lambda f: f"{f.other} 토크나이저와 기원이 같습니다. 어느 쪽이 먼저인지는 측정되지 않았습니다.",
    "tokenizer-made-from": lambda f: (
        f"{f.other} 토크나이저에서 만들어졌습니다. 토큰 약 {f.tokens:,}개가 같은 순서이며 {p_value(f.log10_p)}입니다."
        + (" 같은 이가 만든 이전 것일 수 있습니다." if f.may_be_own else "")
    ),
}
