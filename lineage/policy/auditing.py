"""An audit: the lines of descent of a model, the rules of one policy, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lineage.errors import Malformed
from lineage.policy.descents import descents
from lineage.policy.judging import about_ancestors, about_components, about_model, filled, percent
from lineage.policy.rule_files import Rule, RuleFile, built_in, known_licences
from lineage.policy.subjects import components_of, model_of
from lineage.policy.t_class import bounds
from lineage.policy.vocabulary import Policy
from lineage.types import Audit, Case, PolicyFinding, PolicyVerdict, Standing

_ONE_PARENT = "two children of one parent that is not known here look like parent and child"
_NOTES: Mapping[Policy, tuple[str, ...]] = {
    "licence": (
        "this compares what cards state with what licences ask; it is no legal advice, and owners may agree otherwise",
        "licences of data, code and tokenizers are not looked at",
        _ONE_PARENT,
    ),
    "from-scratch": (
        "a finding refutes; none certifies that a model was trained from scratch",
        "a parent by the same maker does not refute it: ask the same of the parent",
        _ONE_PARENT,
    ),
    "t-class": (
        "T-Class 2.0 by Seung Hyun Lee (2026), CC BY-SA 4.0; the bound is what weights show at most, no rating",
        "weights do not say who made a parent: if its maker is the same, the bound is the parent's",
        "weights say nothing of T0, T1, data, hardware and cloud",
    ),
}
_SOURCES: Mapping[Policy, tuple[str, ...]] = {
    "licence": (),
    "from-scratch": (),
    "t-class": ("https://github.com/epoko77-ai/sovereign-ai-tclass-2.0",),
}
_ORDER: tuple[Standing, ...] = ("violated", "inconclusive", "possible", "bound", "due", "met", "noted")


def audit(case: Case, policy: Policy, extra: RuleFile | None = None) -> Audit:
    """Hold a case against a policy, with the rules and licences of an extra file beside those of the package."""
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
    found += about_model(rules, model, bound)
    verdict = _verdict(found)
    words = {
        "model": model.name,
        "share": percent(model.inherited),
        "models": f"{model.models:,}",
        "reach": "anything" if model.reach is None else f"{model.reach:.2f}",
        "bound": bound or "",
    }
    return Audit(
        policy=policy,
        answer=case.answer,
        verdict=verdict,
        headline=filled(base.words[verdict], words),
        findings=tuple(sorted(found, key=lambda one: _ORDER.index(one.standing))),
        descents=lines,
        notes=_NOTES[policy],
        sources=_SOURCES[policy],
        bound=bound,
        possible_bound=possible,
    )


def for_policy(file: RuleFile, policy: Policy, path: str) -> RuleFile:
    """`file`, if its rules are for this policy. Raises Malformed."""
    if file.policy not in (None, policy):
        raise Malformed(path, f"holds rules of the policy {file.policy}, not {policy}")
    taken = {rule.id for rule in built_in(policy).rules}
    twice = next((rule.id for rule in file.rules if rule.id in taken), None)
    if twice is not None:
        raise Malformed(path, f"the rule {twice!r} is there already: give yours another id")
    return file


def _verdict(found: Sequence[PolicyFinding]) -> PolicyVerdict:
    """Violated by what is certain; inconclusive by what would violate or is not known."""
    if any(one.standing == "violated" for one in found):
        return "violated"
    is_open = any(one.standing == "inconclusive" or (one.standing == "possible" and one.says != "due") for one in found)
    return "inconclusive" if is_open else "nothing-found"
