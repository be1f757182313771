"""Answers and names for the pages, and a parser that is strict about what a browser would forgive."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from bench_report import answer

from lineage.types import (
    Comparison,
    Cue,
    Declared,
    Direction,
    Excluded,
    Null,
    Place,
    Relation,
    Relative,
    Verdict,
    Whois,
)
from lineage.types.facts.descent import NamedIn
from lineage.types.facts.exclusions import Stated
from lineage.types.facts.schemes import StoredAs

VOID = frozenset({"meta", "link", "input", "br"})
NAMES = (
    '"><script>alert(1)</script>',
    "</script><script>alert(2)</script>",
    "</title></style><img src=x onerror=alert(3)>",
    "]]><!-- --!><svg onload=alert(4)>",
    "javascript:alert(5)",
    "{name} {0} {model.__class__} %s &lt;b&gt; &#x3c;",
    "\u202egnp.exe \u2066isolate\u2069 \u200bzero",
    "line\nbreak\x00\x1b[2J\ud800",
    "x" * 4000,
    "노바 모델 é 🦙",
    "",
)


def brief(asked: Whois) -> Whois:
    """The same answer over the first two layers."""
    keep = [m for m in asked.ancestors[0].tensors if m.layers[0] is None or m.layers[0] < 2]
    (parent,) = (replace(one, tensors=tuple(keep)) for one in asked.ancestors)
    return replace(asked, ancestors=(parent,), nearest=parent)


def named(hostile: str) -> Whois:
    """An answer in which every text from a model's files or card is `hostile`."""
    asked = answer()
    schemes = (StoredAs(hostile),)
    (parent,) = asked.ancestors
    parent = replace(
        parent,
        model_name=hostile,
        basis=(NamedIn(hostile),),
        cues=(Cue("gains", Direction.CHILD, 2.0, NamedIn(hostile)),),
        tensors=tuple(replace(m, a=hostile, b=hostile, role=hostile) for m in parent.tensors[:40]),
        components=tuple(replace(c, basis=(NamedIn(hostile),), schemes=schemes) for c in parent.components),
    )
    return replace(
        asked,
        sketch=replace(
            asked.sketch, name=hostile, path=hostile, format=hostile, architecture=hostile, licence=hostile,
            declared=(Declared(hostile, hostile, hostile),),
        ),
        components=tuple((replace(f, schemes=schemes), model, hostile) for f, model, _ in asked.components),
        ancestors=(parent,),
        alternatives=(replace(parent, model="b" * 32, model_name=hostile),),
        excluded=(Excluded(hostile, Stated(hostile)),),
        left_out=(Excluded(hostile, Stated(hostile)),),
        nearest=parent,
        null=replace(asked.null, unrelated=tuple(replace(u, model_name=hostile) for u in asked.null.unrelated)),
    )  # fmt: skip


def plain_answer(verdict: str) -> Whois:
    """A small answer of each verdict."""
    asked, told = answer(), Verdict(verdict)
    (parent,) = asked.ancestors
    at = Relative(parent.model, parent.model_name, Relation.FINE_TUNED, 0.97, basis=parent.basis)
    if verdict == "origin":
        found = replace(parent, direction=Direction.PARENT)
        components = tuple((f, parent.model, parent.model_name) for f, _, _ in asked.components)
        place = Place(descendants=(at,))
        return replace(asked, verdict=told, components=components, ancestors=(), alternatives=(found,), place=place)
    if verdict in ("independent", "inconclusive"):
        nothing = tuple(
            (replace(f, relation=Relation(verdict), direction=None, confidence=0.0, basis=()), None, None)
            for f, _, _ in asked.components
        )
        return replace(
            asked, verdict=told, components=nothing, ancestors=(), alternatives=(), null=Null(), place=Place()
        )
    if verdict == "related":
        kin = tuple(
            (replace(f, relation=Relation.SHARED_INIT, direction=None), parent.model, "twin")
            for f, _, _ in asked.components
        )
        place = Place(siblings=(replace(at, relation=Relation.SHARED_INIT),))
        return replace(asked, verdict=told, components=kin, ancestors=(), alternatives=(parent,), place=place)
    word = Relation.IDENTICAL if verdict == "identical" else Relation.FINE_TUNED
    found: Comparison = replace(parent, verdict=told, relation=word)
    components = tuple((replace(f, relation=word), found.model, found.model_name) for f, _, _ in asked.components)
    place = Place(copies=(at,)) if verdict == "identical" else Place(parents=(at,))
    return replace(asked, verdict=told, components=components, ancestors=(found,), alternatives=(), place=place)


@dataclass
class Page(HTMLParser):
    """What a page consists of; raises AssertionError where elements do not nest or an id is given twice."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = {key: value or "" for key, value in attrs}
        assert len(given) == len(attrs), (tag, attrs)
        self.attributes.append((tag, given))
        if "id" in given:
            self.ids[given["id"]] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def parsed(page: bytes) -> Page:
    """The page, held to be well formed."""
    found = Page()
    found.feed(page.decode("utf-8"))
    found.close()
    assert found.open == []
    assert [name for name, count in found.ids.items() if count > 1] == []
    return found
