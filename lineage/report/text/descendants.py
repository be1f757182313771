"""The answer of `descendants`: what comes from one model, by generation, and what may come from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from lineage.report.facts import fact_values
from lineage.report.figures import finite, phrase, plain, probability
from lineage.report.graphs.json import edge_value, node_value
from lineage.report.kinship import called, declared_word, part, unseen
from lineage.report.text.canvas import Canvas
from lineage.report.text.terminal import handed_over_lines
from lineage.report.words import texts
from lineage.types import Descendant, Descendants, Edge, Lineage

_BOTH_WAYS = (
    "related, which came first is open: each may come from it, or it from them, or both from another; none of them"
    " is called a descendant"
)


def descendants_screen(found: Descendants, width: int = 100, colour: bool = False) -> str:
    """How many there are, a line each by generation, then what is open, what cards say, and the limits."""
    canvas = Canvas(width, colour)
    names = _names(found.lineage)
    canvas.pair(plain(found.model.name), headline(found), "bold magenta" if found.found else "bold cyan")
    handed_over_lines(canvas, unseen([found.model, *(one.node for one in (*found.found, *found.open))]))
    for generation, alike in groupby(found.found, key=lambda one: len(one.way)):
        canvas.line(f"generation {generation}:", indent=2)
        canvas.table([[f"    {plain(called(one.node))}", _told(one, found.model.id, names)] for one in alike])
    if found.open:
        canvas.line(f"{_BOTH_WAYS}:", indent=2)
        canvas.table([[f"    {plain(called(one.node))}", _told(one, found.model.id, names)] for one in found.open])
    for edge in found.declared:
        where = f" ({'; '.join(map(plain, texts(edge.basis)))})" if edge.basis else ""
        ends = f"{names[edge.child]} from {names[edge.parent]}"
        canvas.line(f"{declared_word(edge)}, not measured: {ends}{where}", indent=2)
    canvas.line(
        f"searched: {found.models:,} models (index {found.index_id}); what is in no index is not named", indent=2
    )
    canvas.line(f"not tested: {'; '.join(texts(found.not_tested))}", indent=2)
    return canvas.text()


def descendants_value(found: Descendants) -> dict[str, Any]:
    """`lineage/descendants/1`."""
    names = {node.id: node.name for node in found.lineage.nodes}
    return {
        "schema": "lineage/descendants/1",
        "model": node_value(found.model),
        "descendants": [{"generation": len(one.way), **_value(one, names)} for one in found.found],
        "open": [_value(one, names) for one in found.open],
        "declared": [edge_value(edge, names) for edge in found.declared],
        "limits": {
            "models_searched": found.models,
            "index_id": found.index_id,
            "not_tested": texts(found.not_tested),
            "not_tested_facts": fact_values(found.not_tested),
        },
    }


def headline(found: Descendants) -> str:
    """The first line, after the name; true when it is quoted alone."""
    below, beside = len(found.found), len(found.open)
    first = _descend(found.found) if below else f"no descendant found among {_models(found.models)}"
    more = " more" if below else ""
    also = f"; {beside:,}{more} {'is' if beside == 1 else 'are'} related, which came first is open" if beside else ""
    return f"{first}{also}{_unseen(found)}"


def _unseen(found: Descendants) -> str:
    """What the first line must say about sketches that were handed over: the model itself, or all that it counts."""
    counted = found.found or found.open
    if found.model.weights_seen is False:
        return "; its own weights were not seen here"
    is_owed = bool(counted) and all(one.node.weights_seen is False for one in counted)
    return "; weights of none of these were seen here" if is_owed else ""


def lineage_below(found: Descendants) -> Lineage:
    """The part of the family that the answer names: the model, what is below it or may be, and what lies between."""
    edges = (*(edge for one in (*found.found, *found.open) for edge in one.way), *found.declared)
    return part(found.lineage, {found.model.id, *(end for edge in edges for end in (edge.parent, edge.child))})


def _descend(below: Sequence[Descendant]) -> str:
    """How many, and how sure: "3 known models descend from it (1 in part), each with probability 0.86 or more"."""
    number = len(below)
    parts = sum(one.components is not None for one in below)
    in_part = "" if not parts else " in part" if number == 1 else f" ({parts:,} in part)"
    said = f"{number:,} known model{' descends' if number == 1 else 's descend'} from it{in_part}"
    sure = [one.probability for one in below if one.probability is not None]
    if len(sure) < number:
        return said
    least = probability(min(sure))
    return f"{said}, probability {least}" if number == 1 else f"{said}, each with probability {_at_least(least)}"


def _at_least(least: str) -> str:
    return least if least.startswith(">") else f"{least} or more"


def _told(one: Descendant, start: str, names: Mapping[str, str]) -> str:
    """The last step, what was inherited, what lies between, how certain it is, and its other names."""
    last = one.way[-1]
    facts = (
        _word(last) if last.directed else f"{_word(last)}, direction open",
        "" if one.components is None else f"in part: {', '.join(plain(name) for name in one.components)}",
        f"through {', '.join(names[node] for node in between)}" if (between := _between(one, start)) else "",
        "" if one.probability is None else f"probability {probability(one.probability)}",
        f"also {', '.join(plain(name) for name in one.node.aliases)}" if one.node.aliases else "",
    )
    return ", ".join(fact for fact in facts if fact)


def _between(one: Descendant, start: str) -> list[str]:
    """The nodes between the model and this one; a step without a direction is walked either way."""
    passed = [start]
    for edge in one.way:
        passed.append(edge.child if edge.parent == passed[-1] else edge.parent)
    return passed[1:-1]


def _word(edge: Edge) -> str:
    weight = "" if edge.weight is None else f" {edge.weight:.2f}"
    return f"{phrase(edge.relation, None, bare=True)}{weight}"


def _value(one: Descendant, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "model": node_value(one.node),
        "relation": one.way[-1].relation,
        "components": None if one.components is None else list(one.components),
        "probability": finite(one.probability),
        "way": [edge_value(edge, names) for edge in one.way],
    }


def _names(lineage: Lineage) -> dict[str, str]:
    return {node.id: plain(node.name) if node.observed else "a model not in the index" for node in lineage.nodes}


def _models(number: int) -> str:
    return f"{number:,} model{'' if number == 1 else 's'}"
