"""The report of one answer, as a self-contained page."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from lineage.report import json
from lineage.report.figures import count, plain
from lineage.report.html import findings
from lineage.report.html.adapter import adapter
from lineage.report.html.ancestry import ancestry
from lineage.report.html.chance import r_picture, sources, unrelated_table, z_picture
from lineage.report.html.document import document, section
from lineage.report.html.heat import heat_map, scale, shown
from lineage.report.html.markup import joined, script_json, tag
from lineage.report.html.palette import Piece, pieces
from lineage.report.html.shares import component_table, share_bar
from lineage.report.html.texts import Texts as Say
from lineage.report.html.texts import texts
from lineage.report.html.verdict import badge, paragraph
from lineage.report.html.witnesses import witnesses
from lineage.report.html.wording import NONE, model
from lineage.report.words import Language
from lineage.types import CheckpointSketch, Lineage, Whois


def whois_page(answer: Whois, version: str, relatives: Lineage | None = None, language: Language = "en") -> bytes:
    """One self-contained HTML file, the same bytes for the same answer.

    `relatives` is the part of an index's graph around the model or its ancestors, drawn with it; `version` that of
    this program. Nothing is fetched when the page is opened, and nothing from a model's files is read as HTML.
    """
    say = texts(language)
    parts = pieces(answer)
    adapted = answer.adapted
    is_compared = adapted is None or answer.nearest is not None
    sections = {
        "adapter": adapter(say, answer, adapted) if adapted is not None else None,
        "shares": _shares(say, parts) if is_compared else None,
        "ancestry": ancestry(say, answer, relatives),
        "layers": layers(say, answer, parts, say("heat.none")) if is_compared else None,
        "direction": findings.directions(say, answer),
        "alternatives": findings.alternatives(say, answer) if adapted is None else None,
        "declared": findings.declared(say, answer),
        "witnesses": witnesses(say, answer),
        "limits": findings.limits(say, answer),
        "method": findings.method(say, answer, version),
        "data": _data(say),
    }
    present = {key: made for key, made in sections.items() if made is not None}
    links = [tag("li", tag("a", say(f"head.{key}"), href=f"#{key}")) for key in present]
    body = joined(
        tag(
            "header",
            _head(say, answer),
            badge(say, answer),
            owed(say, answer),
            paragraph(say, answer, parts),
            _facts(say, answer),
        ),
        tag("nav", tag("ul", links), aria_label=say("page.contents")),
        tag("main", present.values(), id="content", tabindex=-1),
        tag("footer", tag("p", say("page.footer", version=version))),
    )
    title = joined(say("page.report"), ": ", plain(answer.sketch.name))
    return document(say, title, body, "report.js", script_json(json.whois(answer)))


def _head(say: Say, answer: Whois) -> Markup:
    return joined(tag("p", say("page.report"), class_="kind"), tag("h1", model(answer.sketch.name)))


def owed(say: Say, answer: Whois) -> list[Markup]:
    """What the answer must say of sketches that were handed over, a paragraph each."""
    return [tag("p", tag("strong", say.fact(fact)), class_="plain") for fact in answer.handed_over]


def _facts(say: Say, answer: Whois) -> Markup:
    searched = "searched" if answer.adapted is None else "adapters"
    return facts(say, answer.sketch, {searched: f"{answer.limits.models_searched:,}"})


def facts(say: Say, sketch: CheckpointSketch, more: Mapping[str, str] | None = None) -> Markup:
    """What a model is, according to its files."""
    told = {
        "params": count(sketch.params),
        "tensors": f"{len(sketch.tensors):,}",
        "format": sketch.format,
        "architecture": sketch.architecture or NONE,
        "licence": sketch.licence or say("facts.no_licence"),
        **(more or {}),
    }
    listed = [tag("div", tag("dt", say(f"facts.{key}")), tag("dd", value)) for key, value in told.items()]
    return tag("dl", listed, class_="facts")


def _shares(say: Say, parts: tuple[Piece, ...]) -> Markup:
    return section("shares", say("head.shares"), share_bar(say, parts), component_table(say, parts))


def layers(say: Say, answer: Whois, parts: tuple[Piece, ...], none: Markup) -> Markup:
    """Every matrix alone, with its figures and those of chance; `none` is the text if there are no matrices."""
    maps = shown(answer, parts)
    if not maps:
        return section("layers", say("head.layers"), tag("p", none))
    pictures = [
        tag("figure", tag("figcaption", say(f"chance.{key}")), made)
        for key, made in (("z", z_picture(say, answer.null, maps)), ("r", r_picture(say, answer.null, maps)))
        if made is not None
    ]
    return section(
        "layers",
        say("head.layers"),
        tag("p", say("chance.intro")),
        *pictures,
        sources(say, answer),
        unrelated_table(say, answer.null) or "",
        tag("p", say("heat.intro")),
        scale(say),
        *(heat_map(say, one) for one in maps),
    )


def _data(say: Say) -> Markup:
    button = tag("button", say("data.save"), type="button", id="save", hidden=True)
    return section("data", say("head.data"), tag("p", say("data.text")), button)
