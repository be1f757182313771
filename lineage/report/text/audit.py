"""The result of a policy for a model: a screen for people, a JSON value for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lineage.report.components import named
from lineage.report.facts import fact_value, fact_values
from lineage.report.figures import finite, percent, phrase, plain
from lineage.report.json import checkpoint, inherited_parts
from lineage.report.text.canvas import JOINT, Canvas
from lineage.report.text.terminal import handed_over_lines
from lineage.report.text.witnesses import witness_lines
from lineage.report.witness_json import witnesses_value
from lineage.report.words import text, texts
from lineage.report.words.policy_en import name, names_ancestor
from lineage.types import Audit, DescentLine, Direction, PolicyFinding, PolicyVerdict, Standing

_STYLES: dict[PolicyVerdict, str] = {
    "violated": "bold magenta",
    "inconclusive": "bold yellow",
    "nothing-found": "bold green",
}
_SAID: dict[PolicyVerdict, str] = {
    "violated": "VIOLATED",
    "inconclusive": "INCONCLUSIVE",
    "nothing-found": "NOTHING FOUND",
}
_WORDS: dict[Standing, str] = {"bound": "because", "due": "to do"}
_MOST_ANCESTORS = 8
_MOST_LINES = 8  # findings of one kind that are spelled out if they are only possible or noted


def audit_screen(audit: Audit, width: int = 100, colour: bool = False) -> str:
    """The verdict, the findings with their ancestors, the lines of descent, and what this does not say."""
    canvas = Canvas(width, colour)
    refuted = audit.policy == "from-scratch" and audit.verdict == "violated"
    said = "REFUTED" if refuted else plain(audit.bound or "") if _is_class(audit) else _SAID[audit.verdict]
    canvas.pair(f"{plain(audit.answer.sketch.name)}, {audit.policy}", said, _STYLES[audit.verdict])
    handed_over_lines(canvas, audit.answer.handed_over)
    canvas.line(plain(text(audit.headline)), indent=2)
    if audit.possible_bound not in (None, audit.bound):
        canvas.line(f"{audit.possible_bound} if what is possible below were so", indent=2)
    rows = [[f"  {word}", sentence] for word, sentence in _rows(audit.findings)]
    if rows:
        canvas.table(rows)
    _ancestors(canvas, audit.descents)
    if audit.policy != "licence":
        for line in witness_lines(audit.answer.witnesses):
            canvas.line(line, indent=2)
    limits = audit.answer.limits
    reach = "" if limits.min_detectable_r is None else f"; would have seen r >= {limits.min_detectable_r:.2f}"
    canvas.line(f"searched: {limits.models_searched:,} models (index {limits.index_id}){reach}", indent=2)
    for note in audit.notes:
        canvas.line(f"note: {text(note)}", indent=2)
    for source in audit.sources:
        canvas.line(f"source: {source}", indent=2)
    return canvas.text()


def audit_value(audit: Audit) -> dict[str, Any]:
    """`lineage/audit/1`."""
    limits = audit.answer.limits
    return {
        "schema": "lineage/audit/1",
        "checkpoint": checkpoint(audit.answer.sketch),
        "policy": audit.policy,
        "verdict": audit.verdict,
        "headline": text(audit.headline),
        "headline_fact": fact_value(audit.headline),
        "handed_over": fact_values(audit.answer.handed_over),
        "bound": audit.bound,
        "possible_bound": audit.possible_bound,
        "findings": [_finding(one) for one in audit.findings],
        "ancestors": [_descent(line) for line in audit.descents],
        "limits": {
            "models_searched": limits.models_searched,
            "index_id": limits.index_id,
            "min_detectable_r": finite(limits.min_detectable_r),
            "not_tested": texts(limits.not_tested),
            "not_tested_facts": fact_values(limits.not_tested),
        },
        "notes": [text(note) for note in audit.notes],
        "note_facts": [fact_value(note) for note in audit.notes],
        "sources": list(audit.sources),
        "witnesses": witnesses_value(audit.answer.witnesses),
    }


def _is_class(audit: Audit) -> bool:
    return audit.bound is not None and audit.verdict != "violated"


def _rows(findings: Sequence[PolicyFinding]) -> Iterator[tuple[str, str]]:
    """A line a finding; what several ancestors require alike is printed once, and only a few weak findings are."""
    groups: dict[tuple[Standing, str, str | None], list[PolicyFinding]] = {}
    for one in findings:
        advice = None if one.advice is None else text(one.advice)
        groups.setdefault((one.standing, text(one.fact), advice), []).append(one)
    told: dict[Standing, int] = {}
    for (standing, sentence, advice), alike in groups.items():
        told[standing] = told.get(standing, 0) + 1
        if standing in ("possible", "noted", "met") and told[standing] > _MOST_LINES:
            continue
        then = f": {plain(advice)}" if advice and standing in ("violated", "inconclusive") else ""
        yield _WORDS.get(standing, standing), f"{plain(sentence)}{_from_whom(alike)}{then}"
    for standing, number in told.items():
        if standing in ("possible", "noted", "met") and number > _MOST_LINES:
            yield _WORDS.get(standing, standing), f"and {number - _MOST_LINES} more: --json has them all"


def _from_whom(alike: Sequence[PolicyFinding]) -> str:
    """The ancestors of findings whose text names none."""
    names = [name(one.ancestor_name) for one in alike if one.ancestor is not None and not names_ancestor(one.fact)]
    return f" [{', '.join(plain(one) for one in dict.fromkeys(names))}]" if names else ""


def _ancestors(canvas: Canvas, lines: Sequence[DescentLine]) -> None:
    """Each ancestor once, by its surest line, with the components and how it was reached."""
    grouped: dict[str, list[DescentLine]] = {}
    for line in lines:
        grouped.setdefault(line.ancestor, []).append(line)
    for alike in list(grouped.values())[:_MOST_ANCESTORS]:
        canvas.line(_ancestor(alike), indent=2)
    if len(grouped) > _MOST_ANCESTORS:
        canvas.line(f"and {len(grouped) - _MOST_ANCESTORS} more ancestors: --json has them all", indent=2)


def _ancestor(lines: Sequence[DescentLine]) -> str:
    first = lines[0]
    licence = f"licence {plain(first.licence) if first.licence else 'none stated'}"
    if first.certainty == "declared":
        return f"ancestor: {plain(name(first.ancestor_name))}, {licence}; declared, not measured"
    parts = ", ".join(dict.fromkeys(named(plain(line.component or "the whole"), line.parts) for line in lines))
    share = sum({line.component: line.share or 0.0 for line in lines}.values())
    direction: Direction = Direction.CHILD if first.certainty == "measured" else Direction.UNDIRECTED
    through = f" through {', '.join(plain(name(one)) for one in first.through)}" if first.through else ""
    said = f"{phrase(first.relation, direction)} {plain(name(first.ancestor_name))}{through}"
    figures = f"{first.certainty}, confidence{JOINT}{first.confidence:.2f}"
    return f"ancestor: {said}, {licence}; {parts} ({percent(min(1.0, share))}); {figures}"


def _finding(one: PolicyFinding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "says": one.says,
        "standing": one.standing,
        "text": text(one.fact),
        "fact": fact_value(one.fact),
        "advice": None if one.advice is None else text(one.advice),
        "advice_fact": None if one.advice is None else fact_value(one.advice),
        "source": one.source,
        "model": one.ancestor,
        "model_name": None if one.ancestor is None else name(one.ancestor_name),
        "licence": one.licence,
        "components": list(one.components),
        "share": finite(one.share),
        "certainty": one.certainty,
        "confidence": finite(one.confidence),
        "bound": one.bound,
    }


def _descent(line: DescentLine) -> dict[str, Any]:
    return {
        "model": line.ancestor,
        "model_name": name(line.ancestor_name),
        "licence": line.licence,
        "component": line.component,
        "share": finite(line.share),
        "parts": inherited_parts(line.parts),
        "relation": line.relation,
        "certainty": line.certainty,
        "confidence": finite(line.confidence),
        "through": [name(one) for one in line.through],
        "basis": texts(line.basis),
        "basis_facts": fact_values(line.basis),
        "r": finite(line.r),
        "z": finite(line.z),
        "log10_p": finite(line.log10_p),
    }
