"""Policies on any ancestry: more ancestors never ask less, what is less sure is never held against a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lineage.policy import audit
from lineage.policy.descents import descents
from lineage.policy.rule_files import Rule, known_licences, parse_rules
from lineage.policy.statements import statements
from lineage.policy.vocabulary import CONDITIONS, WORDS
from lineage.types import Case, Edge
from lineage.types.facts_policy import Quotation
from tests.policy_cases import MODEL, case, edge, node

NAMES = tuple("abcdef")
LICENCES = (*sorted(one.id for one in known_licences().licences), "other", None)
RELATIONS = ("fine-tuned", "merged", "component-reused", "quantized", "identical", "shared-init", "sibling")
Asked = set[tuple[str, str | None]]


@st.composite
def edges(draw: st.DrawFn, children: tuple[str, ...], parents: tuple[str, ...]) -> Edge:
    parent, child = draw(st.sampled_from(parents)), draw(st.sampled_from(children))
    return edge(
        parent,
        child,
        draw(st.sampled_from(RELATIONS)),
        directed=draw(st.booleans()),
        confidence=draw(st.sampled_from((0.5, 0.95, 1.0))),
        component=draw(st.sampled_from((None, None, "text decoder", "embeddings"))),
        source=draw(st.sampled_from(("measured", "measured", "declared"))),
    )


@st.composite
def ancestries(draw: st.DrawFn) -> Case:
    """Models in an order: each descends from later ones alone."""
    order = (MODEL, *NAMES)
    lines = [
        line
        for line in draw(st.lists(edges(order[:-1], NAMES), max_size=8))
        if order.index(line.parent) > order.index(line.child)
    ]
    nodes = [node(name, draw(st.sampled_from(LICENCES))) for name in NAMES]
    return case(draw(st.sampled_from(LICENCES)), nodes, lines)


def asked(one: Case) -> Asked:
    """What is violated, due, met, possible or unknown, rule by ancestor."""
    found = audit(one, "licence").findings
    return {(f.rule, f.ancestor) for f in found if f.standing != "noted" and f.ancestor is not None}


def violated(one: Case) -> Asked:
    return {(f.rule, f.ancestor) for f in audit(one, "licence").findings if f.standing == "violated"}


@given(ancestries(), edges((MODEL, *NAMES), ("new",)), st.sampled_from(LICENCES))
def test_an_ancestor_more_never_takes_an_obligation_away(one, line, licence):
    more = replace(one, lineage=replace(one.lineage, nodes=(*one.lineage.nodes, node("new", licence))))
    more = replace(more, lineage=replace(more.lineage, edges=(*more.lineage.edges, line)))
    assert asked(one) <= asked(more)
    assert violated(one) <= violated(more)


@given(ancestries())
def test_without_a_measured_direction_nothing_is_violated(one):
    open_edges = tuple(replace(line, directed=False) for line in one.lineage.edges)
    said = tuple(replace(line, source="declared") for line in one.lineage.edges)
    for weaker in (open_edges, said):
        weak = replace(one, lineage=replace(one.lineage, edges=weaker))
        assert violated(weak) == set()
        assert audit(weak, "from-scratch").verdict != "violated"
        assert audit(weak, "t-class").bound not in ("T2", "T3")


@given(ancestries())
def test_every_ancestor_can_be_reached_on_the_edges(one):
    lines = descents(one)
    assert len({(line.ancestor, line.component) for line in lines}) == len(lines)
    up: dict[str, set[str]] = {}
    for line in one.lineage.edges:
        up.setdefault(line.child, set()).add(line.parent)
        if not line.directed:
            up.setdefault(line.parent, set()).add(line.child)
    reached, waiting = set(), [MODEL]
    while waiting:
        fresh = up.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting += fresh
    assert {line.ancestor for line in lines} <= reached - {MODEL}
    assert all(0.0 <= line.confidence <= 1.0 for line in lines)


@given(ancestries(), st.permutations(range(8)))
def test_the_order_of_the_edges_says_nothing(one, order):
    shuffled = [one.lineage.edges[i] for i in order if i < len(one.lineage.edges)]
    other = replace(one, lineage=replace(one.lineage, edges=tuple(shuffled)))
    assert {(d.ancestor, d.component, d.certainty) for d in descents(one)} == {
        (d.ancestor, d.component, d.certainty) for d in descents(other)
    }


# -- rule files ------------------------------------------------------------------------------------

PLAIN = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("C", "Z")), min_size=1, max_size=40
)


def a_value(kind: str) -> st.SearchStrategy[Any]:
    if kind == "flag":
        return st.booleans()
    if kind == "share":
        return st.floats(0, 1, allow_nan=False)
    words = st.sampled_from(WORDS[kind]) if kind in WORDS else PLAIN  # type: ignore[index]
    return st.lists(words, min_size=1, max_size=3).map(tuple)


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    about = draw(st.sampled_from(("ancestor", "pair", "component", "model")))
    kinds = {name: kind for name, kind in CONDITIONS[about].items() if kind != "class"}  # type: ignore[index]
    names = draw(st.lists(st.sampled_from(sorted(kinds)), unique=True, max_size=4))
    return Rule(
        id=f"rule-{number}",
        about=about,  # type: ignore[arg-type]
        says=draw(st.sampled_from(("violated", "due", "inconclusive", "noted"))),
        text=Quotation(draw(PLAIN.filter(lambda text: "{" not in text and text.strip()))),
        when={name: draw(a_value(kinds[name])) for name in names},
        advice=draw(st.none() | st.just(Quotation("read {licence}"))),
        check=draw(st.sampled_from((None, "licence-file"))) if about == "ancestor" else None,
    )


def written(found: list[Rule]) -> str:
    """The TOML of rules: a string of JSON is a string of TOML."""
    lines = ["format = 1", 'policy = "from-scratch"']
    for rule in found:
        lines.append("[[rule]]")
        texts = {key: getattr(rule, key) for key in ("id", "about", "says", "check")}
        texts |= {"text": rule.text.text, "advice": rule.advice and rule.advice.text}
        lines += [f"{key} = {json.dumps(value)}" for key, value in texts.items() if value is not None]
        pairs = (f"{name} = {toml(value)}" for name, value in rule.when.items())
        lines.append(f"when = {{ {', '.join(pairs)} }}")
    return "\n".join(lines)


def toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


@given(st.data(), st.integers(0, 4))
def test_a_rule_file_reads_back_what_was_written(data, count):
    made = [data.draw(rules(i)) for i in range(count)]
    read = parse_rules(written(made), Path("ours.toml"))
    assert list(read.rules) == made
    assert read.policy == "from-scratch"


@given(st.text(max_size=400))
def test_any_prose_is_read(text):
    for claim in statements(text, "acme/Nova-7B"):
        assert 1 <= claim.line <= len(text.splitlines())
        assert len(claim.words) <= 200
