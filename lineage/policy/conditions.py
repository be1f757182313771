"""Whether the conditions of a rule hold: each condition of the vocabulary is one small function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lineage.policy.descents import weaker
from lineage.policy.licences import Licence
from lineage.policy.rule_files import Condition
from lineage.policy.subjects import Ancestor, Component, Model
from lineage.policy.vocabulary import CLASSES
from lineage.types import DescentLine

When = Mapping[str, Condition]


def holds_of_model(when: When, model: Model, bound: str | None = None) -> bool:
    """Whether the conditions about the model itself hold; others are ignored."""
    answers: dict[str, Callable[[Any], bool]] = {
        "model-terms": lambda terms: _has(model.licence, terms),
        "model-lacks": lambda terms: _lacks(model.licence, terms),
        "model-licence": lambda patterns: _licensed(model.licence, model.licence_text, patterns),
        "model-licence-not": lambda patterns: not _licensed(model.licence, model.licence_text, patterns),
        "model-licence-known": lambda known: known == (model.licence is not None),
        "has-ancestors": lambda some: some == bool(model.ancestors),
        "inherited-share-at-least": lambda share: model.inherited >= share,
        "tokenizer": lambda states: model.tokenizer in states,
        "settings": lambda states: model.settings in states,
        "class-below": lambda words: bound is not None and CLASSES.index(bound) < CLASSES.index(words[0]),
    }
    return all(answers[name](value) for name, value in when.items() if name in answers)


def lines_held(when: When, model: Model, ancestor: Ancestor) -> list[DescentLine]:
    """The lines to an ancestor for which the conditions hold; empty where one about the ancestor or the model fails."""
    answers: dict[str, Callable[[Any], bool]] = {
        "ancestor-terms": lambda terms: _has(ancestor.licence, terms),
        "ancestor-lacks": lambda terms: _lacks(ancestor.licence, terms),
        "ancestor-licence": lambda patterns: _licensed(ancestor.licence, ancestor.surest.licence, patterns),
        "ancestor-licence-not": lambda patterns: not _licensed(ancestor.licence, ancestor.surest.licence, patterns),
        "ancestor-licence-known": lambda known: known == (ancestor.licence is not None),
        "ancestor-licence-unsure": lambda unsure: unsure == _leaves_doubt(ancestor.licence),
        "ancestor-name": lambda patterns: _matches(ancestor.surest.ancestor_name or "", patterns),
        "ancestor-name-not": lambda patterns: not _matches(ancestor.surest.ancestor_name or "", patterns),
        "same-licence": lambda same: same == agree(ancestor.licence, model.licence),
    }
    if not holds_of_model(when, model) or not all(answers[n](v) for n, v in when.items() if n in answers):
        return []
    return [line for line in ancestor.lines if _of_line(when, line)]


def pair_holds(when: When, model: Model, one: Ancestor, other: Ancestor) -> bool:
    """Whether the conditions about two ancestors hold, in this order."""
    answers: dict[str, Callable[[Any], bool]] = {
        "ancestor-terms": lambda terms: _has(one.licence, terms),
        "ancestor-lacks": lambda terms: _lacks(one.licence, terms),
        "other-terms": lambda terms: _has(other.licence, terms),
        "other-lacks": lambda terms: _lacks(other.licence, terms),
        "licences-agree": lambda yes: yes == (agree(one.licence, other.licence) or agree(other.licence, one.licence)),
    }
    return holds_of_model(when, model) and all(answers[n](v) for n, v in when.items() if n in answers)


def component_holds(when: When, model: Model, component: Component) -> bool:
    """Whether the conditions about one component hold."""
    relation = component.line.relation if component.line is not None else None
    answers: dict[str, Callable[[Any], bool]] = {
        "state": lambda states: component.state in states,
        "relation": lambda relations: relation in relations,
        "component": lambda patterns: _matches(component.name, patterns),
        "share-at-least": lambda share: component.share >= share,
        "architecture": lambda words: model.architecture in words,
    }
    return all(answers[name](value) for name, value in when.items())


def agree(one: Licence | None, other: Licence | None) -> bool | None:
    """Whether what has to stay under `one` may be under `other`; None, which equals neither, if one is unknown."""
    return None if one is None or other is None else one.agrees_with(other)


def surest_of(lines: list[DescentLine]) -> list[DescentLine]:
    """The lines with the highest certainty."""
    best = lines[0].certainty
    for line in lines[1:]:
        best = line.certainty if weaker(best, line.certainty) == best else best
    return [line for line in lines if line.certainty == best]


def _of_line(when: When, line: DescentLine) -> bool:
    answers: dict[str, Callable[[Any], bool]] = {
        "relation": lambda relations: line.relation in relations,
        "relation-not": lambda relations: line.relation not in relations,
        "component": lambda patterns: line.component is None or _matches(line.component, patterns),
        "share-at-least": lambda share: line.share is not None and line.share >= share,
        "certainty": lambda words: line.certainty in words,
        "direct": lambda direct: direct == (not line.through),
    }
    return all(answers[name](value) for name, value in when.items() if name in answers)


def _has(licence: Licence | None, terms: tuple[str, ...]) -> bool:
    return licence is not None and licence.terms.issuperset(terms)


def _leaves_doubt(licence: Licence | None) -> bool:
    return licence is not None and licence.unsure is not None


def _lacks(licence: Licence | None, terms: tuple[str, ...]) -> bool:
    """Whether a known licence has none of the terms; False for an unknown one."""
    return licence is not None and licence.terms.isdisjoint(terms)


def _licensed(licence: Licence | None, text: str | None, patterns: tuple[str, ...]) -> bool:
    return _matches(licence.id if licence is not None else text or "", patterns)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
