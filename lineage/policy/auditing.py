"""An audit: the lines of descent of a model, the rules of one policy, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lineage.errors import Malformed
from lineage.policy.descents import descents
from lineage.policy.judging import about_ancestors, about_components, about_model
from lineage.policy.rule_files import Rule, RuleFile, built_in, known_licences
from lineage.policy.subjects import Model, components_of, model_of
from lineage.policy.t_class import bounds
from lineage.policy.vocabulary import Policy
from lineage.types import Audit, Case, PolicyFinding, PolicyVerdict, Standing
from lineage.types.facts import Fact
from lineage.types.facts_policy import (
    ClassBound,
    ClassesUnseen,
    ClassOpen,
    ClassScheme,
    ClassTooLow,
    LicencesAgree,
    LicencesDisagree,
    LicencesOpen,
    NoLegalAdvice,
    RefutesOnly,
    SameMakerClass,
    SameMakerParent,
    ScratchNotRefuted,
    ScratchOpen,
    ScratchRefuted,
    UnknownCommonParent,
    WeightLicencesOnly,
)

_NOTES: Mapping[Policy, tuple[Fact, ...]] = {
    "licence": (NoLegalAdvice(), WeightLicencesOnly(), UnknownCommonParent()),
    "from-scratch": (RefutesOnly(), SameMakerParent(), UnknownCommonParent()),
    "t-class": (ClassScheme(), SameMakerClass(), ClassesUnseen()),
}
_SOURCES: Mapping[Policy, tuple[str, ...]] = {
    "licence": (),
    "from-scratch": (),
    "t-class": ("https://github.com/epoko77-ai/sovereign-ai-tclass-2.0",),
}
_ORDER: tuple[Standing, ...] = ("violated", "inconclusive", "possible", "bound", "due", "met", "noted")


def audit(case: Case, policy: Policy, extra: RuleFile | None = None) -> Audit:
    """Check a case against a policy, with the rules and licences of an extra file added to those of the package."""
    base = built_in(policy)
    rules: Sequence[Rule] = (*base.rules, *(extra.rules if extra is not None else ()))
    table = known_licences() if extra is None else known_licences().extended(extra.licences)
    lines = descents(case)
    model = model_of(case, lines, table, base.architectures)
    components = components_of(case, lines)
    found = list(about_ancestors(rules, model, case.beside))
    bound = possible = None
    if policy == "t-class":
        bound, possible, reasons = bounds(rules, model, components)
        found += reasons
    else:
        found += about_components(rules, model, components)
    found += about_model([rule for rule in rules if rule.says != "bound"], model, bound)
    verdict = _verdict(found)
    return Audit(
        policy=policy,
        answer=case.answer,
        verdict=verdict,
        headline=_headline(policy, verdict, model, bound),
        findings=tuple(sorted(found, key=lambda one: _ORDER.index(one.standing))),
        descents=lines,
        notes=_NOTES[policy],
        sources=_SOURCES[policy],
        bound=bound,
        possible_bound=possible,
    )


def _headline(policy: Policy, verdict: PolicyVerdict, model: Model, bound: str | None) -> Fact:
    """The outcome of the findings, as one fact."""
    if policy == "licence":
        agreement = LicencesAgree() if verdict == "nothing-found" else LicencesOpen()
        return LicencesDisagree(model.name) if verdict == "violated" else agreement
    if policy == "from-scratch":
        nothing = ScratchNotRefuted(model.models, model.reach) if verdict == "nothing-found" else ScratchOpen()
        return ScratchRefuted(model.inherited) if verdict == "violated" else nothing
    kinds = {"violated": ClassTooLow, "inconclusive": ClassOpen, "nothing-found": ClassBound}
    return kinds[verdict](bound or "")


def for_policy(file: RuleFile, policy: Policy, path: str) -> RuleFile:
    """`file`, if its rules are for this policy. Raises Malformed."""
    if file.policy not in (None, policy):
        raise Malformed(path, f"holds rules of the policy {file.policy}, not {policy}")
    taken = {rule.id for rule in built_in(policy).rules}
    twice = next((rule.id for rule in file.rules if rule.id in taken), None)
    if twice is not None:
        raise Malformed(path, f"the rule {twice!r} exists already: give yours another id")
    return file


def _verdict(found: Sequence[PolicyFinding]) -> PolicyVerdict:
    """Violated if a certain finding violates the policy; inconclusive if one may, or something is unknown."""
    if any(one.standing == "violated" for one in found):
        return "violated"
    is_open = any(one.standing == "inconclusive" or (one.standing == "possible" and one.says != "due") for one in found)
    return "inconclusive" if is_open else "nothing-found"
