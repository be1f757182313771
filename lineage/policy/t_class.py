"""The highest T-Class that a model can have: the bounds of its components and of the whole combined.

T-Class 2.0 is by Seung Hyun Lee (2026), CC BY-SA 4.0: https://github.com/epoko77-ai/sovereign-ai-tclass-2.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from lineage.policy.judging import about_components, about_model
from lineage.policy.rule_files import Rule
from lineage.policy.subjects import Component, Model
from lineage.policy.vocabulary import CLASSES, TClass
from lineage.types import PolicyFinding

_INHERITED = ("T2", "T3")
_WHOLE = 0.99  # share of the parameters from which the rest is a new head or a few new tokens, not part of a new model


class Bounds(NamedTuple):
    """The highest class that the components allow, that with every open direction counted against them, and why."""

    bound: TClass
    possible: TClass
    reasons: tuple[PolicyFinding, ...]


def bounds(rules: Sequence[Rule], model: Model, components: Sequence[Component]) -> Bounds:
    """The highest class of the model; a possible ancestor lowers only `possible`, a declared one neither."""
    sure = _lowest(rules, model, [_taken(one, inherited=False) for one in components])
    perhaps = _lowest(rules, model, [_taken(one, inherited=True) for one in components])
    reasons = [
        replace(other, standing="possible", certainty="possible") if other.bound != one.bound else one
        for one, other in zip(sure, perhaps, strict=True)
    ]
    rest = about_components([rule for rule in rules if rule.says != "bound"], model, components)
    whole = _of_whole(rules, model)
    bound = min([_together(sure), *(_bound(one) for one in whole if one.standing == "bound")], key=CLASSES.index)
    possible = min([bound, _together(perhaps), *map(_bound, whole)], key=CLASSES.index)
    whole = [replace(one, standing="noted") if _is_idle(one, bound) else one for one in whole]
    return Bounds(bound, possible, (*reasons, *whole, *rest))


def _of_whole(rules: Sequence[Rule], model: Model) -> list[PolicyFinding]:
    """The bounds of the model as a whole; one that rests on what may have come first or second is possible."""
    settled = replace(
        model,
        tokenizer="own" if model.tokenizer == "open" else model.tokenizer,
        settings="other" if model.settings == "same" else model.settings,
    )
    bounding = [rule for rule in rules if rule.says == "bound"]
    sure = {one.rule for one in about_model(bounding, settled)}
    return [
        one if one.rule in sure else replace(one, standing="possible", certainty="possible")
        for one in about_model(bounding, model)
    ]


def _is_idle(one: PolicyFinding, bound: TClass) -> bool:
    """Whether a possible bound would lower nothing."""
    return one.standing == "possible" and CLASSES.index(_bound(one)) >= CLASSES.index(bound)


def _bound(one: PolicyFinding) -> TClass:
    return cast(TClass, one.bound)


def _taken(component: Component, *, inherited: bool) -> Component:
    """A component whose ancestry is open, with that question decided one way or the other."""
    if component.state == "possible":
        return replace(component, state="inherited" if inherited else "nothing")
    return replace(component, state="nothing") if component.state == "declared" else component


def _lowest(rules: Sequence[Rule], model: Model, components: Sequence[Component]) -> list[PolicyFinding]:
    """The lowest bound of each component that has any."""
    bounding = [rule for rule in rules if rule.says == "bound"]
    found = []
    for component in components:
        alternatives = list(about_components(bounding, model, [component]))
        if alternatives:
            found.append(min(alternatives, key=_level))
    return found


def _together(found: Sequence[PolicyFinding]) -> TClass:
    """T2 if the whole was inherited in one piece, T3 if a part was, else the lowest that a component allows."""
    if not found:
        return CLASSES[-1]
    inherited = {one.bound for one in found} & set(_INHERITED)
    if inherited:
        kept = sum(one.share or 0.0 for one in found if one.bound == "T2")
        sources = {one.ancestor for one in found if one.bound == "T2"}
        return "T2" if kept >= _WHOLE and len(sources) == 1 else "T3"
    tested = [one for one in found if one.bound != CLASSES[-1]] or found
    return cast(TClass, min(tested, key=_level).bound)


def _level(finding: PolicyFinding) -> int:
    return CLASSES.index(cast(TClass, finding.bound))
