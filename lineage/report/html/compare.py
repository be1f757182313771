"""The report of one comparison, as a self-contained page."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from lineage.report import json
from lineage.report.figures import plain
from lineage.report.html import findings
from lineage.report.html.document import document, section
from lineage.report.html.markup import between, joined, script_json, tag
from lineage.report.html.palette import pieces
from lineage.report.html.shares import component_table, share_bar
from lineage.report.html.texts import Texts, texts
from lineage.report.html.verdict import badge, sentences
from lineage.report.html.whois import facts, layers, owed
from lineage.report.html.wording import NONE, model
from lineage.report.text.places import stand_of
from lineage.report.words import Language
from lineage.types import CheckpointSketch, Comparison, Verdict, Whois


def compare_page(
    answer: Whois, other: CheckpointSketch, found: Comparison, version: str, language: Language = "en"
) -> bytes:
    """One self-contained HTML file, the same bytes for the same comparison.

    `answer` is the comparison `found` with `other` as an answer (`api.as_answer`). Nothing is fetched when the page is
    opened, and nothing from a model's files is read as HTML.
    """
    say = texts(language)
    parts = pieces(answer)
    is_related = found in (*answer.ancestors, *answer.alternatives)
    told = replace(answer, ancestors=(found,) if is_related else (), alternatives=())  # in whatever direction
    sections = {
        "shares": section("shares", say("head.shares"), share_bar(say, parts), component_table(say, parts)),
        "layers": layers(say, answer, parts, say("compare.no_reach")),
        "direction": findings.directions(say, told),
        "declared": findings.declared(say, answer),
        "limits": findings.limits(say, answer, _searched(say, answer)),
        "method": findings.method(say, answer, version, other),
        "data": section("data", say("head.data"), tag("p", say("data.compared")), _button(say)),
    }
    present = {key: made for key, made in sections.items() if made is not None}
    links = [tag("li", tag("a", say(f"head.{key}"), href=f"#{key}")) for key in present]
    body = joined(
        tag(
            "header",
            tag("p", say("page.compared"), class_="kind"),
            tag("h1", model(answer.sketch.name), f" {NONE} ", model(other.name)),
            badge(say, answer),
            *owed(say, answer),
            tag(
                "p",
                between(" ", [_first(say, answer, found), *sentences(say, told, parts, by_name=True)]),
                class_="plain",
            ),
            *(line for one in (answer.sketch, other) for line in (tag("p", model(one.name)), facts(say, one))),
        ),
        tag("nav", tag("ul", links), aria_label=say("page.contents")),
        tag("main", present.values(), id="content", tabindex=-1),
        tag("footer", tag("p", say("page.footer", version=version))),
    )
    title = joined(say("page.compared"), ": ", plain(answer.sketch.name), f" {NONE} ", plain(other.name))
    carried = json.comparison(answer.sketch, other, found, answer.limits.not_tested, answer.handed_over)
    return document(say, title, body, "report.js", script_json(carried))


def _first(say: Texts, answer: Whois, found: Comparison) -> Markup:
    """The finding in one sentence, which names both."""
    in_part = found.verdict == Verdict.PARTLY_DERIVED
    stands = {
        "copies": "identical",
        "parents": "part_child" if in_part else "child",
        "descendants": "part_parent" if in_part else "parent",
        "open": "open",
        "siblings": "begun",
    }
    stand = stand_of(answer.place, found.model)
    key = answer.verdict if stand is None else stands[stand]
    return say(f"compare.{key}", name=model(answer.sketch.name), model=model(found.model_name))


def _searched(say: Texts, answer: Whois) -> Markup:
    reach = answer.limits.min_detectable_r
    seen = say("compare.no_reach") if reach is None else say("compare.reach", r=f"{reach:.2f}")
    return between(" ", [say("compare.searched"), seen])


def _button(say: Texts) -> Markup:
    return tag("button", say("data.save"), type="button", id="save", hidden=True)
