"""Korean: the texts of the rules and licences that come with the package, by the key of their quotation."""

from __future__ import annotations

from collections.abc import Mapping

_ASK = "둘 가운데 하나를 빼거나 권리자에게 문의하십시오."
_DERIVED = "가중치의 경우 무엇이 파생물인지 정해져 있지 않으므로 원문을 읽어야 합니다."
_EUROPE = "멀티모달 모델은 유럽연합의 거주자와 기업에 허락되지 않으므로 허용 사용 정책을 읽어야 합니다."
_LITTLE = "{component}({share}): 판단하기에 부족합니다."
_NONE = "{component}({share}): 물려받은 흔적이 없습니다."
_QWEN = "“Improved using Qwen” 문구를 대신 표시해도 됩니다."
_USERS = "월간 활성 이용자 {}명"
_VERSIONS = "판마다 내용이 다릅니다."

TEXTS: Mapping[str, str] = {
    # the policy licence
    "rule.licence.ancestor-licence-unknown": "{ancestor} 모델의 라이선스를 알 수 없습니다({licence}).",
    "rule.licence.ancestor-licence-unknown.advice": (
        "라이선스를 찾아 그 모델의 카드에 적거나 규칙 파일로 추가하십시오."
    ),
    "rule.licence.model-licence-unknown": (
        "{model} 모델이 밝힌 라이선스({model-licence})가 여기에 알려져 있지 않아 견줄 수 없습니다."
    ),
    "rule.licence.model-licence-unknown.advice": "모델 카드에 라이선스를 적으십시오. license: ...",
    "rule.licence.read-the-text": "{licence}: {unsure}",
    "rule.licence.non-commercial": (
        "{licence} 라이선스는 상업적 이용을 허락하지 않으나 {model-licence} 라이선스는 허락합니다."
    ),
    "rule.licence.non-commercial.advice": (
        "비상업 라이선스나 다른 바탕 모델을 고르거나 {ancestor} 모델의 권리자에게 문의하십시오."
    ),
    "rule.licence.research-only": (
        "{licence} 라이선스는 연구 목적만 허락하나 {model-licence} 라이선스는 더 넓게 허락합니다."
    ),
    "rule.licence.research-only.advice": (
        "연구용 라이선스나 다른 바탕 모델을 고르거나 {ancestor} 모델의 권리자에게 문의하십시오."
    ),
    "rule.licence.no-derivatives": (
        "{licence} 라이선스는 변경본을 만드는 것은 허락하나 배포는 허락하지 않습니다. 이 모델은 {ancestor} 모델에서"
        " 왔습니다({relation})."
    ),
    "rule.licence.no-derivatives.advice": "{ancestor} 모델 권리자의 허락 없이 공개하지 마십시오.",
    "rule.licence.share-alike": (
        "{ancestor} 모델에서 만든 것은 {licence} 라이선스나 그것이 정한 라이선스로 공유해야 하나, 카드에는"
        " {model-licence} 라이선스로 적혀 있습니다."
    ),
    "rule.licence.share-alike.advice": "{licence} 라이선스를 적거나 {ancestor} 모델의 권리자에게 문의하십시오.",
    "rule.licence.copyleft": (
        "{licence} 라이선스는 카피레프트이나 카드에는 {model-licence} 라이선스로 적혀 있습니다. 조정한 가중치가 그"
        " 라이선스에서 말하는 파생물인지는 원문을 읽어야 합니다."
    ),
    "rule.licence.copyleft.advice": "원문을 읽거나 {licence} 라이선스를 적으십시오.",
    "rule.licence.use-restrictions": (
        "{licence} 라이선스는 이용 제한을 구속력 있는 조건으로 넘기도록 요구하나 {model-licence} 라이선스에는 그런"
        " 조건이 없습니다."
    ),
    "rule.licence.use-restrictions.advice": "{licence} 라이선스나 같은 제한을 담은 라이선스를 적으십시오.",
    "rule.licence.name": "공개하는 모델의 이름은 “{prefix}”(으)로 시작해야 합니다. 지금 이름은 {model}입니다.",
    "rule.licence.name.advice": "“{prefix}”(으)로 시작하는 이름으로 공개하십시오.",
    "rule.licence.display": "모델과 함께 “{display}” 문구를 표시해야 합니다.",
    "rule.licence.display.advice": "모델 카드에 적으십시오.",
    "rule.licence.notice-file": "사본마다 다음 문구를 담은 NOTICE 파일이 있어야 합니다. {notice} ...",
    "rule.licence.acceptable-use": "{licence} 라이선스의 허용 사용 정책은 모델을 받는 모든 사람에게 적용됩니다.",
    "rule.licence.acceptable-use.advice": "약정과 정책을 함께 넘기고 모델 카드에 밝히십시오.",
    "rule.licence.licence-text": "{licence} 라이선스의 원문과 고지를 함께 넘겨야 합니다.",
    "rule.licence.attribution": "출처로 {ancestor} 모델을 밝혀야 합니다.",
    "rule.licence.attribution.advice": "모델 카드에 적으십시오. base_model: ...",
    "rule.licence.state-changes": "파일을 변경했음을 밝혀야 합니다({licence}).",
    "rule.licence.user-limit": "규모가 {limit}보다 크면 다른 라이선스가 필요합니다.",
    "rule.licence.no-model-training": (
        "{licence} 라이선스가 허락하는 범위를 넘어 출력을 다른 모델의 개선에 쓸 수 없습니다."
    ),
    "rule.licence.territory": "{licence} 라이선스는 모든 지역에서 허락되지는 않으므로 허락된 지역을 확인해야 합니다.",
    "rule.licence.two-share-alikes": (
        "{ancestor} 모델({licence})과 {other} 모델({other-licence})이 저마다 자기 라이선스를 요구하므로 둘을 함께"
        " 만족하는 라이선스가 없습니다."
    ),
    "rule.licence.two-share-alikes.advice": _ASK,
    "rule.licence.share-alike-and-non-commercial": (
        "{ancestor} 모델({licence})은 추가 제한을 허락하지 않으나 {other} 모델({other-licence})은 상업적 이용을"
        " 금합니다."
    ),
    "rule.licence.share-alike-and-non-commercial.advice": _ASK,
    "rule.licence.copyleft-and-restrictions": (
        "{ancestor} 모델({licence})은 추가 제한을 허락하지 않으나 {other} 모델({other-licence})은 제한을 넘기도록"
        " 요구합니다."
    ),
    "rule.licence.copyleft-and-restrictions.advice": "두 원문을 모두 읽으십시오.",
    # the policy from-scratch
    "rule.from-scratch.inherited": "{component}: {ancestor} 모델에서 왔습니다({relation}, 매개변수의 {share}).",
    "rule.from-scratch.declared": "모델 자신의 카드나 설정 파일에 {ancestor} 모델이 적혀 있습니다.",
    "rule.from-scratch.shared-init": (
        "{component}: 다른 모델과 같은 초기값에서 시작했습니다. 초기값은 학습된 것이 아니므로 물려받은 것이 아닙니다."
    ),
    "rule.from-scratch.nothing-found": (
        "{component}: 모델 {models}개에서 물려받은 흔적이 없습니다. 찾을 수 있었던 가장 작은 r: {reach}."
    ),
    "rule.from-scratch.not-tested": _LITTLE,
    "rule.from-scratch.little-not-tested": _LITTLE,
    # the policy t-class
    "rule.t-class.same-shapes": (
        "{component}({share}): {ancestor} 모델에서 왔으며({relation}) 텐서마다 모양이 같습니다. 공개된 가중치를 이어서"
        " 학습했거나 그대로 둔 것입니다."
    ),
    "rule.t-class.taken-apart": (
        "{component}({share}): {ancestor} 모델에서 왔으며({relation}) 병합하거나 늘리거나 일부를 재사용한 것입니다."
    ),
    "rule.t-class.layout-of-another": (
        _NONE + " 구조는 {architecture}이며 모든 텐서의 역할과 모양이 {nearest} 모델에 있는 것과 같습니다. 기준 구조를"
        " 바꾸지 않았고, 가중치는 기껏해야 만든 이의 것입니다."
    ),
    "rule.t-class.published-architecture": (_NONE + " 구조는 공개된 구조인 {architecture}이며 바꾸었을 수도 있습니다."),
    "rule.t-class.nothing-to-go-by": _NONE + " 구조가 여기에 알려져 있지 않아 가중치로는 상한을 정할 수 없습니다.",
    "rule.t-class.not-tested": _LITTLE,
    "rule.t-class.tokenizer-taken": (
        "토크나이저가 {tokenizer} 토크나이저에서 만들어졌습니다. 그것이 만든 이 자신의 것이 아니라면, T5가 요구하는"
        " 독자 토크나이저가 아닙니다."
    ),
    "rule.t-class.tokenizer-open": (
        "토크나이저가 {tokenizer} 토크나이저와 같거나 이어져 있으며, 어느 쪽이 먼저인지는 측정되지 않았습니다."
        " {tokenizer} 쪽이 먼저라면 T5가 요구하는 독자 토크나이저가 아닙니다."
    ),
    "rule.t-class.tokenizer-own": (
        "토크나이저가 알려진 {tokenizers}개 가운데 어느 것에서도 오지 않았습니다. 상한을 정하지 않습니다."
    ),
    "rule.t-class.settings-of-another": (
        "텍스트 부분의 설정 가운데 {settings-of} 모델에서 알려진 {settings}개가 모두 같습니다. {settings-of} 쪽이"
        " 먼저라면 설정값을 그대로 쓴 것입니다."
    ),
    # licences
    "licence.bsd-3-clause-lbnl.unsure": (
        "연구소에 넘긴 개선 사항은 연구소에 사용이 허락되므로 마지막 문단을 읽어야 합니다."
    ),
    "licence.bsd.unsure": "어느 변형인지 적혀 있지 않습니다.",
    "licence.artistic-2.0.unsure": "변경본을 어떤 라이선스로 공유할 수 있는지는 공유 방법에 달려 있습니다(4절).",
    "licence.ms-pl.unsure": "소스 형태는 이 라이선스로 남습니다(3절).",
    "licence.gpl-2.0.unsure": _DERIVED,
    "licence.gpl-3.0.unsure": _DERIVED,
    "licence.gpl.unsure": f"어느 판인지 적혀 있지 않습니다. {_DERIVED}",
    "licence.agpl-3.0.unsure": f"{_DERIVED} 네트워크를 통한 사용도 해당합니다(13절).",
    "licence.lgpl-2.1.unsure": _DERIVED,
    "licence.lgpl-3.0.unsure": _DERIVED,
    "licence.mpl-2.0.unsure": ("파일 단위로 적용되므로, 변경한 가중치 파일이 적용 대상 파일인지 원문을 읽어야 합니다."),
    "licence.epl-2.0.unsure": _DERIVED,
    "licence.eupl-1.2.unsure": _DERIVED,
    "licence.osl-3.0.unsure": _DERIVED,
    "licence.odbl.unsure": "데이터베이스를 위한 라이선스이므로, 가중치가 데이터베이스인지 원문을 읽어야 합니다.",
    "licence.cdla-sharing-1.0.unsure": "데이터를 위한 라이선스이며, 데이터로 계산한 결과는 대상이 아닙니다(3.5절).",
    "licence.c-uda.unsure": "데이터의 계산적 이용만 허락합니다.",
    "licence.openrail.unsure": "어느 변형인지 적혀 있지 않습니다.",
    "licence.llama-1.unsure": "원문은 요청한 사람에게만 제공되었습니다.",
    "licence.llama3.2.unsure": _EUROPE,
    "licence.llama4.unsure": _EUROPE,
    "licence.gemma.unsure": (
        "Google의 이름을 쓸 권리는 허락되지 않으므로, Gemma로 만든 모델의 이름은 원문을 읽고 정해야 합니다."
    ),
    "licence.health-ai-developer-foundations.unsure": "임상 사용이 제한되므로 원문을 읽어야 합니다.",
    "licence.qwen.unsure": _QWEN,
    "licence.tongyi-qianwen.unsure": "출력을 이용한 학습에 관한 내용이 판마다 다릅니다.",
    "licence.qwen-research.unsure": _QWEN,
    "licence.mnpl.unsure": "실제 서비스에 쓰려면 만든 이와 계약해야 합니다.",
    "licence.mrl.unsure": "상업적으로 이용하려면 만든 이와 계약해야 합니다.",
    "licence.falcon-llm.unsure": "출처 표시에 쓸 문구를 정해 두었습니다.",
    "licence.falcon-180b.unsure": "서비스로 제공하려면 허락이 필요합니다.",
    "licence.yi.unsure": "상업적 이용은 등록해야 했으며, 이후 모델은 Apache 2.0입니다.",
    "licence.exaone.unsure": "출력과 파생 모델의 이름에 관한 규정이 있으며, 판마다 다릅니다.",
    "licence.hyperclovax-seed.unsure": "출처 표시, 이름, 경쟁 서비스, 이용 규모에 관한 규정이 있습니다.",
    "licence.stabilityai-nc.unsure": _VERSIONS,
    "licence.flux-1-dev-non-commercial.unsure": "출력은 모델과 따로 다루므로 2절을 읽어야 합니다.",
    "licence.deepfloyd-if.unsure": _VERSIONS,
    "licence.apple-ascl.unsure": "다른 이의 특허는 허락되지 않으므로 원문을 읽어야 합니다.",
    "licence.intel-research.unsure": _VERSIONS,
    "licence.h-research.unsure": "허브의 목록에 이름만 있고 원문이 없습니다.",
    "licence.nvidia-open-model.unsure": "안전장치를 대체 없이 제거할 수 없으므로 원문을 읽어야 합니다.",
    "licence.jamba-open-model.unsure": "이름과 고지에 관한 규정도 있습니다.",
    "licence.grok2-community.unsure": "매출 한도와 표시할 문구에 관한 규정이 있습니다.",
    "licence.modified-mit.unsure": "이용자나 매출이 일정 규모를 넘으면 이름을 표시해야 합니다.",
    "licence.tencent-hunyuan-community.unsure": "유럽연합, 영국, 대한민국에는 적용되지 않습니다.",
    "licence.glm-4.unsure": "이름, 표시할 문구, 상업적 이용 등록에 관한 규정이 있습니다.",
    "licence.llama2.limit": _USERS.format("7억 "),
    "licence.llama3.limit": _USERS.format("7억 "),
    "licence.llama3.1.limit": _USERS.format("7억 "),
    "licence.llama3.2.limit": _USERS.format("7억 "),
    "licence.llama3.3.limit": _USERS.format("7억 "),
    "licence.llama4.limit": _USERS.format("7억 "),
    "licence.databricks-open-model.limit": _USERS.format("7억 "),
    "licence.qwen.limit": _USERS.format("1억 "),
    "licence.tongyi-qianwen.limit": _USERS.format("1억 "),
    "licence.tencent-hunyuan-community.limit": _USERS.format("1억 "),
    "licence.stabilityai-community.limit": "연 매출 100만 미국 달러",
    "licence.jamba-open-model.limit": "연 매출 5,000만 미국 달러",
    "licence.lfm1.0.limit": "연 매출 1,000만 미국 달러",
}
