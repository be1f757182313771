"""Rules applied to a case: every rule that applies becomes a finding, no surer than the descent behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from lineage.policy.checks import seen
from lineage.policy.conditions import component_holds, holds_of_model, lines_held, pair_holds, surest_of
from lineage.policy.descents import surety, weaker
from lineage.policy.rule_files import Rule
from lineage.policy.subjects import Ancestor, Component, Model
from lineage.types import Beside, DescentLine, PolicyFinding, Standing
from lineage.types.facts_policy import Figure, RuleAdvice, RuleApplies

Figures = Mapping[str, Figure]


def about_ancestors(rules: Iterable[Rule], model: Model, beside: Beside | None) -> Iterator[PolicyFinding]:
    """The findings about each ancestor, and about pairs of them."""
    for rule in rules:
        if rule.about == "ancestor":
            for ancestor in model.ancestors:
                lines = lines_held(rule.when, model, ancestor)
                if lines:
                    yield _of_ancestor(rule, model, ancestor, surest_of(sorted(lines, key=surety)), beside)
        elif rule.about == "pair":
            yield from _of_pairs(rule, model)


def about_components(rules: Iterable[Rule], model: Model, components: Sequence[Component]) -> Iterator[PolicyFinding]:
    """The findings about each component."""
    for component in components:
        for rule in rules:
            if rule.about == "component" and component_holds(rule.when, model, component):
                yield _of_component(rule, model, component)


def about_model(rules: Iterable[Rule], model: Model, bound: str | None = None) -> Iterator[PolicyFinding]:
    """The findings about the model as a whole; `bound` is its T-Class."""
    figures = _of_model(model) | _of_witnesses(model) | {"bound": bound}
    for rule in rules:
        if rule.about == "model" and holds_of_model(rule.when, model, bound):
            yield PolicyFinding(
                rule=rule.id,
                says=rule.says,
                standing=rule.says,
                fact=RuleApplies(rule.id, rule.text, figures),
                advice=_advice(rule, figures),
                source=rule.source,
                bound=rule.bound,
            )


def _of_ancestor(
    rule: Rule, model: Model, ancestor: Ancestor, lines: Sequence[DescentLine], beside: Beside | None
) -> PolicyFinding:
    line = lines[0]
    figures = _of_model(model) | _of_lines(ancestor, lines)
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
        fact=RuleApplies(rule.id, rule.text, figures, line.certainty),
        advice=None if says == "met" else _advice(rule, figures),
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
    done: set[frozenset[str]] = set()
    for one, other in permutations(model.ancestors, 2):
        ends = frozenset((one.surest.ancestor, other.surest.ancestor))
        if ends in done or not pair_holds(rule.when, model, one, other):
            continue
        done.add(ends)
        certainty = weaker(one.surest.certainty, other.surest.certainty)
        figures = _of_model(model) | _of_lines(one, one.lines)
        figures |= {"other": other.surest.ancestor_name, "other-licence": _licence_name(other)}
        standing: Standing = rule.says if certainty == "measured" else "possible"
        yield PolicyFinding(
            rule=rule.id,
            says=rule.says,
            standing=standing,
            fact=RuleApplies(rule.id, rule.text, figures, certainty),
            advice=_advice(rule, figures),
            source=rule.source,
            ancestor=one.surest.ancestor,
            ancestor_name=one.surest.ancestor_name,
            licence=one.licence.id if one.licence is not None else None,
            certainty=certainty,
            confidence=one.surest.confidence * other.surest.confidence,
        )


def _of_component(rule: Rule, model: Model, component: Component) -> PolicyFinding:
    line = component.line
    figures = _of_model(model) | {"component": (component.name,), "share": component.share}
    figures |= {"reach": component.reach, "bound": rule.bound}
    if line is not None:
        figures |= {"ancestor": line.ancestor_name, "relation": (line.relation,), "licence": line.licence or None}
    related = line if component.state in ("inherited", "possible", "declared") else None
    return PolicyFinding(
        rule=rule.id,
        says=rule.says,
        standing=rule.says,
        fact=RuleApplies(rule.id, rule.text, figures),
        advice=_advice(rule, figures),
        source=rule.source,
        ancestor=None if related is None else related.ancestor,
        ancestor_name=None if related is None else related.ancestor_name,
        components=(component.name,),
        share=component.share,
        certainty=None if related is None else related.certainty,
        confidence=None if related is None else related.confidence,
        bound=rule.bound,
    )


def _advice(rule: Rule, figures: Figures) -> RuleAdvice | None:
    return None if rule.advice is None else RuleAdvice(rule.id, rule.advice, figures)


def _of_model(model: Model) -> dict[str, Figure]:
    return {
        "model": model.name,
        "model-licence": model.licence.id if model.licence is not None else model.licence_text or None,
        "share": model.inherited,
        "models": model.models,
        "reach": model.reach,
        "architecture": model.architecture_name,
        "nearest": model.nearest,
    }


def _of_witnesses(model: Model) -> dict[str, Figure]:
    return {
        "tokenizer": model.tokenizer_name,
        "tokenizers": model.tokenizers,
        "settings": model.equal_settings,
        "settings-of": model.settings_of,
    }


def _of_lines(ancestor: Ancestor, lines: Sequence[DescentLine]) -> dict[str, Figure]:
    shares = [line.share for line in lines if line.share is not None]
    licence = ancestor.licence
    figures: dict[str, Figure] = {
        "ancestor": lines[0].ancestor_name,
        "licence": _licence_name(ancestor),
        "component": tuple(dict.fromkeys(line.component for line in lines)),
        "relation": tuple(dict.fromkeys(line.relation for line in lines)),
        "share": min(1.0, sum(shares)) if shares else None,
    }
    if licence is not None:
        texts: dict[str, Figure] = {
            key: getattr(licence, key) for key in ("prefix", "display", "notice", "limit", "unsure")
        }
        figures |= {key: text for key, text in texts.items() if text is not None}
    return figures


def _licence_name(ancestor: Ancestor) -> str | None:
    return ancestor.licence.id if ancestor.licence is not None else ancestor.surest.licence or None
