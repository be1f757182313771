"""What is said of policies and claims: every fact in both languages, and the words of rule files as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from lineage.policy import audit
from lineage.policy.rule_files import built_in, known_licences
from lineage.report.facts import fact_value
from lineage.report.words import policy_en, policy_ko, rules_ko, text
from lineage.report.words.templates import filled, words_of
from lineage.types import facts_claims, facts_policy
from lineage.types.facts import Fact
from lineage.types.facts.cues import Computable
from lineage.types.facts_claims import (
    BaseDescends,
    CountFar,
    CountFits,
    CountNear,
    Descends,
    EarlierState,
    FromAncestor,
    LicenceAboveOpen,
    LicenceAgrees,
    LicenceViolated,
    LittleCompared,
    NoBits,
    NoCount,
    NoLicenceAbove,
    NoLineMeasured,
    NoParent,
    NothingChanged,
    NothingInherited,
    NotIndexed,
    NoTokenizer,
    NoTrace,
    OffLevels,
    OtherRelation,
    PartsInherited,
    SameWeights,
    StoredAs,
    StoredInBits,
    StoredUnsettled,
    TokenizerAkin,
    TokenizerMadeFrom,
    TokenizerNotTraced,
    UnclearSubject,
    UnknownRelation,
)
from lineage.types.facts_policy import (
    ClassBound,
    ClassesUnseen,
    ClassOpen,
    ClassScheme,
    ClassTooLow,
    LicencesAgree,
    LicencesDisagree,
    LicencesOpen,
    NeverProved,
    NoLegalAdvice,
    OutcomesMean,
    Quotation,
    RefutesOnly,
    RuleAdvice,
    RuleApplies,
    SameMakerClass,
    SameMakerParent,
    ScratchNotRefuted,
    ScratchOpen,
    ScratchRefuted,
    UnknownCommonParent,
    WeightLicencesOnly,
)
from tests.policy_cases import MODEL, case, edge, node

LINE = FromAncestor("fine-tuned", "acme/base", ("acme/mid", None), 0.991, 188.4, 0.97)
BARE = FromAncestor("merged", None, (), None, None, 0.5)
SHARED = Quotation("{ancestor} under {licence}: {share} of {component}", "rule.licence.share-alike")
FIGURES = {"ancestor": None, "licence": "mit", "share": 0.021, "component": ("text decoder", None)}
PRUNED = Computable("reference", "pruning")
APPLIES = RuleApplies("share-alike", SHARED, FIGURES | {"model-licence": None}, "possible")

SAMPLES: tuple[Fact, ...] = (
    APPLIES, RuleAdvice("share-alike", Quotation("state {licence}", "rule.licence.copyleft.advice"), FIGURES),
    LicencesDisagree("acme/Nova"), LicencesOpen(), LicencesAgree(), ScratchRefuted(0.021), ScratchOpen(),
    ScratchNotRefuted(4812, 0.06), ScratchNotRefuted(0, None), ClassTooLow("T2"), ClassOpen("T3"), ClassBound("T4-1"),
    NoLegalAdvice(), WeightLicencesOnly(), UnknownCommonParent(), RefutesOnly(), SameMakerParent(), ClassScheme(),
    SameMakerClass(), ClassesUnseen(), OutcomesMean(), NeverProved(), NotIndexed("far/away"), Descends(LINE, True),
    Descends(BARE, False), SameWeights(), BaseDescends("pruned", PRUNED), LittleCompared(), NoLineMeasured("related"),
    NoTrace("far/away", None), NoTrace("far/away", 0.8), NoTrace("far/away", 0.05, LINE),
    UnknownRelation("dream", ("finetune", "merge")), NoParent(), NothingChanged("acme/base"), OtherRelation(LINE, True),
    LicenceViolated(APPLIES), NoLicenceAbove(), LicenceAboveOpen(), LicenceAgrees("acme/base"), NoCount("many"),
    CountFits(7000), CountNear(7000), CountFar(7000, 10.0, True), CountFar(7000, 2.5, False), UnclearSubject(),
    NothingInherited(40, None), NothingInherited(40, 0.03), EarlierState(LINE),
    PartsInherited(("vision encoder", None), 0.5, LINE), NoBits(("bfloat16",), "gptq"), StoredAs(()),
    StoredInBits(("ggml q8_0", "float32"), 8), OffLevels(("float16",), 16), StoredUnsettled(("float16",)),
    NoTokenizer(), TokenizerNotTraced(33), TokenizerAkin("Llama 3"), TokenizerMadeFrom("cl100k", 99981, -300.5, False),
    TokenizerMadeFrom("cl100k", 99981, -300.5, True),
)  # fmt: skip

KINDS = {
    kind
    for module in (facts_policy, facts_claims)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
}


def ours() -> Iterator[Quotation]:
    """Every text of the rules and licences that come with the package, but words of the licences themselves."""
    for policy in ("licence", "from-scratch", "t-class"):
        for rule in built_in(policy).rules:
            yield from (one for one in (rule.text, rule.advice) if one is not None)
    for licence in known_licences().licences:
        yield from (one for one in (licence.limit, licence.unsure) if one is not None)


def test_every_kind_of_fact_has_a_text_in_both_languages_and_no_text_is_left_over():
    ids = [kind.id for kind in KINDS]
    assert len(set(ids)) == len(ids)
    assert set(policy_en.TEXTS) == set(policy_ko.TEXTS) == set(ids)
    assert {type(fact) for fact in SAMPLES} == KINDS


def test_every_text_is_in_its_language():
    assert [fact for fact in SAMPLES if re.search("[가-힣]", text(fact))] == []
    assert [fact for fact in SAMPLES if not re.search("[가-힣]", text(fact, "ko"))] == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_text_says_every_name_and_no_none(language):
    said = [(fact, text(fact, language)) for fact in SAMPLES]
    assert [fact for fact, words in said if re.search(r"^\s|\s$|None|[{}]", words)] == []
    assert [fact for fact, words in said if "far/away" in repr(fact) and "far/away" not in words] == []


def test_every_fact_is_json():
    for fact in SAMPLES:
        json.dumps(fact_value(fact), allow_nan=False)


def test_every_rule_and_licence_of_the_package_has_the_same_words_in_braces_in_korean():
    found = {one.key: one.text for one in ours()}
    assert set(rules_ko.TEXTS) == set(found)
    assert {key for key, one in found.items() if words_of(one) != words_of(rules_ko.TEXTS[key])} == set()


def test_a_users_own_words_stay_as_they_were_written_and_korean_says_so():
    fact = RuleApplies("mine", Quotation("nothing from {ancestor}, please"), {"ancestor": "acme/base"}, "measured")
    assert text(fact) == "nothing from acme/base, please"
    assert text(fact, "ko") == "nothing from acme/base, please (규칙 파일의 원문)"


def test_a_fact_in_json_has_its_figures():
    value = fact_value(Descends(LINE, is_open=False))
    assert value == {
        "id": "descends",
        "values": {
            "line": {
                "relation": "fine-tuned", "ancestor": "acme/base", "through": ["acme/mid", None], "r": 0.991,
                "z": 188.4, "confidence": 0.97,
            },
            "is_open": False,
        },
        "text": "fine-tuned from acme/base through acme/mid, a parent that is not in the index"
        " (r 0.99, z 188, confidence 0.97)",
    }  # fmt: skip


def test_a_correlation_is_never_rounded_up_to_one():
    line = FromAncestor("fine-tuned", "acme/base", (), 0.99959, 107.2, 0.2)
    assert text(Descends(line, is_open=False)) == "fine-tuned from acme/base (r 0.9995, z 107, confidence 0.20)"


def test_an_ancestor_that_the_index_does_not_hold_has_no_name_below_the_report():
    hidden = node("u1", None, observed=False)
    found = audit(case("mit", [hidden, node("org/c")], [edge("u1", MODEL), edge("org/c", "u1")]), "from-scratch")
    names = {line.ancestor: (line.ancestor_name, line.through) for line in found.descents}
    assert names == {"u1": (None, ()), "org/c": ("org/c", (None,))}
    said = next(text(one.fact) for one in found.findings if one.ancestor == "u1")
    assert said == "the whole: fine-tuned from a parent that is not in the index, 100% of the parameters"


def test_words_that_are_put_into_a_text_are_not_looked_at_again():
    assert filled("{model} {ancestor} {nobody}", {"model": "{ancestor}", "ancestor": "a"}) == "{ancestor} a {nobody}"
    evil = case("apache-2.0", [node("{model.__class__}{0}%s", "cc-by-nc-4.0")], [edge("{model.__class__}{0}%s")])
    facts = [fact for one in audit(evil, "licence").findings for fact in (one.fact, one.advice) if fact is not None]
    assert "{model.__class__}{0}%s" in " ".join(map(text, facts))
