"""The section of the ancestry graph: the picture, how to read it, and the same in tables."""

from __future__ import annotations

from markupsafe import Markup

from lineage.report.figures import count
from lineage.report.html.document import folded, scrolling, section, table
from lineage.report.html.kin import kin
from lineage.report.html.markup import tag
from lineage.report.html.picture import Painted, edge_rows, legend, painted, picture
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, model
from lineage.types import Lineage, Node, Whois


def ancestry(say: Texts, answer: Whois, relatives: Lineage | None) -> Markup:
    """The models around an answer; `relatives` as for `kin`."""
    lineage, omitted = kin(answer, relatives)
    graph = painted(lineage, {node.id: f"model-{i}" for i, node in enumerate(lineage.nodes)}, lineage.about)
    drawn = picture(say, graph, say("graph.label", count=len(lineage.nodes)))
    disagreements = [tag("li", say.fact(one)) for one in lineage.contradictions]
    return section(
        "ancestry",
        say("head.ancestry"),
        tag("p", say("graph.intro")),
        legend(say, lineage.edges, ("me", "root", "hidden")),
        scrolling(drawn, say("graph.region")),
        tag("p", say("graph.hint"), id="detail", class_="detail", aria_live="polite"),
        tag("p", say("graph.omitted", count=omitted)) if omitted else "",
        _edges(say, graph) if lineage.edges else tag("p", say("graph.no_edges")),
        _nodes(say, graph),
        tag("h3", say("graph.contradictions")) if disagreements else "",
        tag("ul", disagreements) if disagreements else "",
    )


def _edges(say: Texts, graph: Painted) -> Markup:
    heads = [say(f"edge.{key}") for key in ("child", "relation", "parent", "direction", "source")]
    rows = edge_rows(say, graph)
    caption = say("edge.caption")
    shown = table(caption, [*heads, "r", "z", say("shares.confidence"), say("edge.basis")], rows, (5, 6, 7), (8,))
    return folded(caption, shown, len(rows))


def _nodes(say: Texts, graph: Painted) -> Markup:
    rows = [
        [
            tag("span", model(node.name), id=graph.anchors[node.id]),
            count(node.params) if node.params else NONE,
            tag("bdi", node.licence) if node.licence else NONE,
            _place(say, node, graph.me),
        ]
        for node in graph.lineage.nodes
    ]
    heads = [say(f"graph.{key}") for key in ("model", "size", "licence_head", "where")]
    return folded(say("graph.table"), table(say("graph.table"), heads, rows), len(rows))


def _place(say: Texts, node: Node, me: str | None) -> Markup:
    if node.id == me:
        return say("line.me")
    return say("graph.present") if node.observed else say("graph.absent")
