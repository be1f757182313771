"""Rule files: TOML in a closed vocabulary becomes rules and licences, or one line says what is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

from lineage.policy.licences import Licence, Table
from lineage.policy.refusals import choice, missing, quoted, unknown, with_article
from lineage.policy.toml_lines import Source, read_text
from lineage.policy.vocabulary import (
    CLASSES,
    CONDITIONS,
    PLACEHOLDERS,
    TERMS,
    WORDS,
    About,
    Check,
    Kind,
    Policy,
    Says,
)
from lineage.types.facts_policy import Quotation

FORMAT = 1
Condition = tuple[str, ...] | float | bool

_ID = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}")
_TOP = ("format", "policy", "rule", "licence", "architectures")
_RULE = ("id", "about", "says", "text", "when", "advice", "source", "check", "bound")
_LICENCE = ("id", "name", "source", "terms", "aliases", "compatible", "prefix", "display", "notice", "limit", "unsure")
_NEEDS = {"name-prefix": "prefix", "display": "display", "notice-file": "notice", "user-limit": "limit"}
_MOST = 1000  # rules or licences in one file
_LONGEST = 600  # characters of a text


@dataclass(frozen=True, slots=True)
class Rule:
    """If all conditions of `when` hold for what the rule is `about`, it `says` something, in the words of `text`."""

    id: str
    about: About
    says: Says
    text: Quotation
    when: Mapping[str, Condition] = field(default_factory=dict)
    advice: Quotation | None = None
    source: str | None = None
    check: Check | None = None
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What one file holds; `architectures` are published ones by name."""

    policy: Policy | None
    rules: tuple[Rule, ...]
    licences: tuple[Licence, ...]
    architectures: tuple[str, ...] = ()


def read_rules(path: str | Path) -> RuleFile:
    """Read a rule file. Raises Malformed (with the line) for a file that is not valid, CheckpointError without one."""
    place = Path(path)
    return parse_rules(read_text(place, "a rule file"), place)


def parse_rules(text: str, path: Path, *, is_ours: bool = False) -> RuleFile:
    """Read the text of a rule file; `path` names it in errors, `is_ours` says that it comes with the package."""
    return _Reader(Source(path, text), is_ours).file()


@cache
def built_in(name: str) -> RuleFile:
    """The rule file of that name that comes with the package."""
    file = resources.files("lineage.policy") / "rules" / f"{name}.toml"
    return parse_rules(file.read_text(encoding="utf-8"), Path(str(file)), is_ours=True)


@cache
def known_licences() -> Table:
    """The licences that come with the package."""
    return Table(built_in("licences").licences)


class _Reader:
    """Walks through the values of one source and rejects what it does not know."""

    def __init__(self, source: Source, is_ours: bool) -> None:
        self._source = source
        self._is_ours = is_ours

    def file(self) -> RuleFile:
        values = self._source.values
        self._known(values, _TOP)
        if values.get("format") != FORMAT:
            raise self._source.fault(f"`format = {FORMAT}` is missing or another number", key="format")
        policy = values.get("policy")
        if policy is not None and policy not in get_args(Policy):
            raise self._source.fault(f"unknown policy {quoted(policy)}; {choice(get_args(Policy))}", key="policy")
        rules = tuple(self._rule(i, value) for i, value in self._tables("rule"))
        if rules and policy is None:
            raise self._source.fault("rules need `policy = ...` at the top", "rule")
        for i, rule in enumerate(rules):
            if (rule.says == "bound" or "class-below" in rule.when) and policy != "t-class":
                raise self._source.fault("only the policy t-class has classes", "rule", i, "id")
        licences = tuple(self._licence(i, value) for i, value in self._tables("licence"))
        for table, ids in (("rule", [r.id for r in rules]), ("licence", [one.id for one in licences])):
            if twice := next((i for i, name in enumerate(ids) if name in ids[:i]), None):
                raise self._source.fault(f"the id {quoted(ids[twice])} is used twice", table, twice, "id")
        return RuleFile(cast(Policy | None, policy), rules, licences, self._architectures())

    def _tables(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        found = self._source.values.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._source.fault(f"{name} is not a list of tables: write [[{name}]] above each", name, key=name)
        if len(found) > _MOST:
            raise self._source.fault(f"{len(found):,} tables; {_MOST:,} are allowed", name, _MOST)
        return list(enumerate(found))

    def _rule(self, i: int, value: dict[str, Any]) -> Rule:
        self._known(value, _RULE, "rule", i)
        about = self._word(value, "about", get_args(About), "rule", i)
        says = self._word(value, "says", get_args(Says), "rule", i)
        check = self._word(value, "check", get_args(Check), "rule", i, optional=True)
        bound = self._word(value, "bound", CLASSES, "rule", i, optional=True)
        if (says == "bound") != (bound is not None):
            raise self._source.fault('`says = "bound"` and `bound = ...` go together', "rule", i, "says")
        if says == "bound" and about not in ("component", "model"):
            raise self._source.fault("a bound is about a component or the model", "rule", i, "about")
        if check is not None and about != "ancestor":
            raise self._source.fault("only a rule about an ancestor can check something", "rule", i, "check")
        name = self._id(value, "rule", i)
        key = f"rule.{self._source.values['policy']}.{name}" if self._is_ours else None
        return Rule(
            id=name,
            about=cast(About, about),
            says=cast(Says, says),
            text=self._template(value, "text", i, key),
            when=self._conditions(cast(About, about), value.get("when", {}), i),
            advice=self._template(value, "advice", i, key and f"{key}.advice") if "advice" in value else None,
            source=self._address(value, "rule", i, optional=True),
            check=cast(Check | None, check),
            bound=bound,
        )

    def _conditions(self, about: About, value: Any, i: int) -> dict[str, Condition]:
        if not isinstance(value, dict):
            raise self._source.fault("`when` must be a table of conditions: when = { ... }", "rule", i, "when")
        allowed = CONDITIONS[about]
        self._known(value, tuple(allowed), "rule", i, f"condition of a rule about {with_article(about)}")
        return {name: self._condition(name, allowed[name], found, i) for name, found in value.items()}

    def _condition(self, name: str, kind: Kind, value: Any, i: int) -> Condition:
        if kind == "flag":
            if not isinstance(value, bool):
                raise self._source.fault(f"{name} must be true or false", "rule", i, name)
            return value
        if kind == "share":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise self._source.fault(f"{name} must be a share from 0 to 1", "rule", i, name)
            return float(value)
        words = [value] if kind == "class" else value
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            raise self._source.fault(f'{name} must be a list of words: {name} = ["..."]', "rule", i, name)
        wrong = next((w for w in words if w not in WORDS[kind]), None) if kind in WORDS else None
        if wrong is not None:
            raise self._source.fault(f"{name}: {unknown(wrong, WORDS[kind])}", "rule", i, name)
        return tuple(words)

    def _licence(self, i: int, value: dict[str, Any]) -> Licence:
        self._known(value, _LICENCE, "licence", i)
        terms = self._strings(value, "terms", i)
        wrong = next((term for term in terms if term not in TERMS), None)
        if wrong is not None:
            raise self._source.fault(f"terms: {unknown(wrong, TERMS)}", "licence", i, "terms")
        missing = next((key for term, key in _NEEDS.items() if term in terms and not value.get(key)), None)
        if missing is not None:
            raise self._source.fault(f"its terms need `{missing} = ...`", "licence", i, "terms")
        name = self._id(value, "licence", i)
        return Licence(
            id=name,
            name=self._text(value, "name", "licence", i) or "",
            source=self._address(value, "licence", i) or "",
            terms=frozenset(terms),
            aliases=self._strings(value, "aliases", i),
            compatible=self._strings(value, "compatible", i),
            prefix=self._text(value, "prefix", "licence", i, optional=True),
            display=self._text(value, "display", "licence", i, optional=True),
            notice=self._text(value, "notice", "licence", i, optional=True),
            limit=self._remark(value, "limit", name, i),
            unsure=self._remark(value, "unsure", name, i),
        )

    def _remark(self, value: dict[str, Any], key: str, licence: str, i: int) -> Quotation | None:
        text = self._text(value, key, "licence", i, optional=True)
        return None if text is None else Quotation(text, f"licence.{licence}.{key}" if self._is_ours else None)

    def _architectures(self) -> tuple[str, ...]:
        value = self._source.values.get("architectures", [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._source.fault("architectures must be a list of names", key="architectures")
        return tuple(value)

    def _template(self, value: dict[str, Any], key: str, i: int, name: str | None) -> Quotation:
        """The text at `key`, whose words in braces are all known."""
        text = self._text(value, key, "rule", i) or ""
        for word in re.findall(r"\{([^{}]*)\}", text):
            if word not in PLACEHOLDERS:
                raise self._source.fault(f"{key}: {unknown(word, tuple(PLACEHOLDERS))}", "rule", i, key)
        return Quotation(text, name)

    def _text(self, value: dict[str, Any], key: str, table: str, i: int, *, optional: bool = False) -> str | None:
        text = value.get(key)
        if text is None and optional:
            return None
        if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST or not text.isprintable():
            raise self._source.fault(f"{key} is missing, or not a line of 1 to {_LONGEST} characters", table, i, key)
        return text

    def _address(self, value: dict[str, Any], table: str, i: int, *, optional: bool = False) -> str | None:
        text = self._text(value, "source", table, i, optional=optional)
        if text is not None and not re.fullmatch(r"https?://[\x21-\x7e]+", text):
            raise self._source.fault("source is not a web address", table, i, "source")
        return text

    def _id(self, value: dict[str, Any], table: str, i: int) -> str:
        found = value.get("id")
        if not isinstance(found, str) or not _ID.fullmatch(found):
            raise self._source.fault(
                "id is missing, or not a short name of lower-case letters, digits and - . _ +", table, i, "id"
            )
        return found

    def _word(
        self, value: dict[str, Any], key: str, words: tuple[str, ...], table: str, i: int, *, optional: bool = False
    ) -> str | None:
        found = value.get(key)
        if found is None and optional:
            return None
        if not isinstance(found, str) or found not in words:
            what = missing(key, words) if found is None else f"{key}: {unknown(found, words)}"
            raise self._source.fault(what, table, i, key if found is not None else None)
        return found

    def _strings(self, value: dict[str, Any], key: str, i: int) -> tuple[str, ...]:
        found = value.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            raise self._source.fault(f'{key} must be a list of words: {key} = ["..."]', "licence", i, key)
        return tuple(found)

    def _known(
        self, value: Mapping[str, Any], keys: tuple[str, ...], table: str | None = None, i: int = 0, what: str = "key"
    ) -> None:
        for key in value:
            if key not in keys:
                raise self._source.fault(unknown(key, keys, what), table, i, key)
