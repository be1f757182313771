"""Rules held against a case: every rule that applies becomes a finding, no surer than the descent behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from lineage.policy.checks import seen
from lineage.policy.conditions import component_holds, holds_of_model, lines_held, pair_holds, surest_of
from lineage.policy.descents import surety, weaker
from lineage.policy.rule_files import Rule
from lineage.policy.subjects import Ancestor, Component, Model
from lineage.types import Beside, Certainty, Descent, PolicyFinding, Standing

_OPEN: Mapping[Certainty, str] = {
    "measured": "",
    "possible": " (if {ancestor} is an ancestor: the direction is open or weak)",
    "declared": " ({ancestor} is declared, not measured)",
}


def about_ancestors(rules: Iterable[Rule], model: Model, beside: Beside | None) -> Iterator[PolicyFinding]:
    """What the rules say of each ancestor, and of pairs of them."""
    for rule in rules:
        if rule.about == "ancestor":
            for ancestor in model.ancestors:
                lines = lines_held(rule.when, model, ancestor)
                if lines:
                    yield _of_ancestor(rule, model, ancestor, surest_of(sorted(lines, key=surety)), beside)
        elif rule.about == "pair":
            yield from _of_pairs(rule, model)


def about_components(rules: Iterable[Rule], model: Model, components: Sequence[Component]) -> Iterator[PolicyFinding]:
    """What the rules say of each component."""
    for component in components:
        for rule in rules:
            if rule.about == "component" and component_holds(rule.when, model, component):
                yield _of_component(rule, model, component)


def about_model(rules: Iterable[Rule], model: Model, bound: str | None = None) -> Iterator[PolicyFinding]:
    """What the rules say of the model as a whole; `bound` is its T-Class."""
    for rule in rules:
        if rule.about == "model" and holds_of_model(rule.when, model, bound):
            yield PolicyFinding(
                rule=rule.id,
                says=rule.says,
                standing=rule.says,
                text=filled(rule.text, _words(model) | {"bound": bound or "no class"}),
                advice=None if rule.advice is None else filled(rule.advice, _words(model)),
                source=rule.source,
            )


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with every word in braces replaced; nothing that is put in is looked at again."""
    return re.sub(r"\{([^{}]*)\}", lambda match: words.get(match[1], match[0]), text)


def _of_ancestor(
    rule: Rule, model: Model, ancestor: Ancestor, lines: Sequence[Descent], beside: Beside | None
) -> PolicyFinding:
    line = lines[0]
    words = _words(model) | _of_line(ancestor, lines)
    standing: Standing = rule.says
    says: Standing = rule.says
    if rule.check is not None:
        outcome = seen(rule.check, model, ancestor, beside)
        says = "met" if outcome == "met" else rule.says if outcome == "failed" else "due"
        standing = says
    if standing in ("violated", "due", "inconclusive") and line.certainty != "measured":
        standing = "possible"
    shares = {one.component: one.share for one in lines if one.share is not None}
    licence = ancestor.licence
    return PolicyFinding(
        rule=rule.id,
        says=says,
        standing=standing,
        text=filled(rule.text + _OPEN[line.certainty], words),
        advice=None if rule.advice is None or says == "met" else filled(rule.advice, words),
        source=rule.source or (licence.source if licence is not None else None),
        ancestor=line.ancestor,
        ancestor_name=line.ancestor_name,
        licence=licence.id if licence is not None else line.licence,
        components=tuple(one.component for one in lines if one.component is not None),
        share=min(1.0, sum(shares.values())) if shares else None,
        certainty=line.certainty,
        confidence=line.confidence,
    )


def _of_pairs(rule: Rule, model: Model) -> Iterator[PolicyFinding]:
    told: set[frozenset[str]] = set()
    for one, other in permutations(model.ancestors, 2):
        ends = frozenset((one.surest.ancestor, other.surest.ancestor))
        if ends in told or not pair_holds(rule.when, model, one, other):
            continue
        told.add(ends)
        certainty = weaker(one.surest.certainty, other.surest.certainty)
        words = _words(model) | _of_line(one, one.lines)
        words |= {"other": other.surest.ancestor_name, "other-licence": _licence_name(other)}
        standing: Standing = rule.says if certainty == "measured" else "possible"
        yield PolicyFinding(
            rule=rule.id,
            says=rule.says,
            standing=standing,
            text=filled(rule.text + _OPEN[certainty], words),
            advice=None if rule.advice is None else filled(rule.advice, words),
            source=rule.source,
            ancestor=one.surest.ancestor,
            ancestor_name=one.surest.ancestor_name,
            licence=one.licence.id if one.licence is not None else None,
            certainty=certainty,
            confidence=one.surest.confidence * other.surest.confidence,
        )


def _of_component(rule: Rule, model: Model, component: Component) -> PolicyFinding:
    line = component.line
    words = _words(model) | {"component": component.name, "share": percent(component.share), "bound": rule.bound or ""}
    words["reach"] = f"{component.reach:.2f}" if component.reach is not None else "1 (no other part to test it against)"
    if line is not None:
        words |= {"ancestor": line.ancestor_name, "relation": line.relation, "licence": line.licence or "none stated"}
    related = line if component.state in ("inherited", "possible", "declared") else None
    return PolicyFinding(
        rule=rule.id,
        says=rule.says,
        standing=rule.says,
        text=filled(rule.text, words),
        advice=None if rule.advice is None else filled(rule.advice, words),
        source=rule.source,
        ancestor=None if related is None else related.ancestor,
        ancestor_name=None if related is None else related.ancestor_name,
        components=(component.name,),
        share=component.share,
        certainty=None if related is None else related.certainty,
        confidence=None if related is None else related.confidence,
        bound=rule.bound,
    )


def _words(model: Model) -> dict[str, str]:
    return {
        "model": model.name,
        "model-licence": model.licence.id if model.licence is not None else model.licence_text or "none stated",
        "share": percent(model.inherited),
        "models": f"{model.models:,}",
        "reach": "anything" if model.reach is None else f"{model.reach:.2f}",
        "architecture": model.architecture_name,
        "nearest": model.nearest,
    }


def _of_line(ancestor: Ancestor, lines: Sequence[Descent]) -> dict[str, str]:
    shares = [line.share for line in lines if line.share is not None]
    licence = ancestor.licence
    words = {
        "ancestor": lines[0].ancestor_name,
        "licence": _licence_name(ancestor),
        "component": ", ".join(dict.fromkeys(line.component or "the whole" for line in lines)),
        "relation": " and ".join(dict.fromkeys(line.relation for line in lines)),
        "share": percent(min(1.0, sum(shares))) if shares else "an unknown share",
    }
    if licence is not None:
        texts = {"prefix": licence.prefix, "display": licence.display, "notice": licence.notice, "limit": licence.limit}
        words |= {key: text for key, text in (texts | {"unsure": licence.unsure}).items() if text is not None}
    return words


def _licence_name(ancestor: Ancestor) -> str:
    return ancestor.licence.id if ancestor.licence is not None else ancestor.surest.licence or "none stated"


def percent(share: float) -> str:
    """A share as it is said: "2.1%", "100%"."""
    return "100%" if share >= 0.9995 else f"{share:.1%}" if share >= 0.001 or share == 0 else f"{share:.2%}"
