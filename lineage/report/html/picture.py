"""The ancestry graph as SVG in a page: classes instead of colours, so that light, dark and print each have theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lineage.report.figures import count, plain
from lineage.report.graphs import styles
from lineage.report.graphs.placement import Box, layout
from lineage.report.graphs.routes import Route, routes
from lineage.report.graphs.svg import head
from lineage.report.html.markup import between, joined, number, tag, unmarked
from lineage.report.html.texts import Texts
from lineage.report.html.wording import NONE, model, r_figure, relation, z_figure
from lineage.report.kinship import families
from lineage.types import Edge, Lineage, Node, Relation

_NAME, _SMALL = 12.0, 9.5
_PADDING, _NARROWEST, _WIDEST_NAME = 11.0, 96.0, 236.0
_MARGIN = 14.0
_HUES = 12
LINES = {
    "trained": styles.TRAINED, "recoded": styles.RECODED, "reshaped": styles.RESHAPED, "merged": styles.MERGED,
    "reused": styles.REUSED, "undirected": styles.UNDIRECTED, "declared": styles.DECLARED,
}  # fmt: skip
"""The styles by the key of their name in the texts."""


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture with the anchors of its nodes: `anchors` maps node ids to the row of the table that describes them."""

    lineage: Lineage
    anchors: Mapping[str, str]
    hues: Mapping[str, int]
    me: str | None = None


def painted(lineage: Lineage, anchors: Mapping[str, str], me: str | None = None, hue: int | None = None) -> Painted:
    """Hues for a graph: `hue` for all of it, or one for each family and none for models without relatives."""
    if hue is not None:
        return Painted(lineage, anchors, {node.id: hue % _HUES for node in lineage.nodes}, me)
    hues = {
        node.id: -1 if len(family) == 1 else i % _HUES for i, family in enumerate(families(lineage)) for node in family
    }
    return Painted(lineage, anchors, hues, me)


def picture(say: Texts, one: Painted, label: str) -> Markup:
    """The layered graph; every node is a link to its row."""
    lineage = one.lineage
    names = {node.id: styles.shortened(plain(node.name), _NAME, _WIDEST_NAME) for node in lineage.nodes}
    second = {node.id: _facts(say, node) for node in lineage.nodes}
    widths = {node.id: _width(names[node.id], second[node.id]) for node in lineage.nodes}
    plan = layout(lineage, widths)
    ways = routes(plan, lineage.edges)
    titles = {node.id: _node_title(say, node) for node in lineage.nodes}
    full = {node.id: node.name for node in lineage.nodes}
    lines = [_edge(say, edge, way, one, full) for edge, way in zip(lineage.edges, ways, strict=True)]
    boxes = [
        _node(node, plan.places[node.id], (names[node.id], second[node.id]), titles[node.id], one)
        for node in lineage.nodes
    ]
    labels = [_edge_label(edge, way, one) for edge, way in zip(lineage.edges, ways, strict=True)]
    right, bottom = _extent(plan.width, plan.height, ways)
    box = f"{number(-_MARGIN)} {number(-_MARGIN)} {number(right + 2 * _MARGIN)} {number(bottom + 2 * _MARGIN)}"
    return tag(
        "svg", lines, boxes, labels, class_="graph", viewBox=box, role="group", aria_label=label,
        width=float(right + 2 * _MARGIN), height=float(bottom + 2 * _MARGIN),
    )  # fmt: skip


def legend(say: Texts, edges: Iterable[Edge], kinds: Sequence[str] = ("root", "hidden")) -> Markup:
    """The line styles that occur, by name, and what the kinds of boxes mean."""
    used = {styles.line(edge) for edge in edges}
    samples = [tag("li", _sample(style), say(f"line.{key}")) for key, style in LINES.items() if style in used]
    boxes = [tag("li", tag("span", class_=f"box {kind}", aria_hidden="true"), say(f"line.{kind}")) for kind in kinds]
    return tag("ul", samples, boxes, class_="legend")


def edge_rows(say: Texts, one: Painted) -> list[list[str]]:
    """Every edge as text and figures, for readers who do not see the picture."""
    names = {node.id: node.name for node in one.lineage.nodes}
    return [
        [
            model(names[edge.child]),
            edge_word(say, edge),
            model(names[edge.parent]),
            say("edge.directed") if edge.directed else say("edge.open"),
            say(f"edge.{edge.source}"),
            r_figure(edge.r),
            z_figure(edge.z),
            NONE if edge.confidence is None else f"{edge.confidence:.2f}",
            between("; ", map(say.fact, edge.basis)),
        ]
        for edge in one.lineage.edges
    ]


def edge_word(say: Texts, edge: Edge) -> Markup:
    """What an edge is: its relation, the weight of a merge's parent, its component."""
    if edge.source == "declared" and edge.relation == Relation.INCONCLUSIVE:
        return say("edge.unnamed")
    words = [relation(say, edge.relation)]
    if edge.weight is not None:
        words.append(joined(f" {edge.weight:.2f}"))
    if edge.component is not None:
        words.append(joined(" (", say.word("component", edge.component), ")"))
    return joined(*words)


def _facts(say: Texts, node: Node) -> str:
    if not node.observed:
        return say("graph.absent")
    licence = styles.shortened(plain(node.licence), _SMALL, 90.0) if node.licence else None
    return " · ".join(fact for fact in (count(node.params) if node.params else None, licence) if fact)


def _width(name: str, facts: str) -> float:
    widest = max(styles.text_width(name, _NAME), styles.text_width(facts, _SMALL))
    return max(_NARROWEST, widest + 2 * _PADDING)


def _extent(width: float, height: float, ways: Sequence[Route]) -> tuple[float, float]:
    """Lines between boxes of one column bulge beyond the boxes."""
    points = [point for way in ways for curve in way.curves for point in curve]
    return max([width, *(x for x, _ in points)]), max([height, *(y for _, y in points)])


def _node_title(say: Texts, node: Node) -> Markup:
    lines = [joined(node.name), joined(say("graph.params", count=node.params) if node.params else "")]
    lines = [lines[0], say("graph.absent")] if not node.observed else lines
    if node.licence:
        lines.append(say("graph.licence", licence=node.licence))
    if node.aliases:
        lines.append(say("graph.aliases", names=between(", ", node.aliases)))
    return Markup("\n").join(line for line in lines if line)


def _node(node: Node, box: Box, texts: tuple[str, str], title: Markup, one: Painted) -> Markup:
    kind = "me" if node.id == one.me else "hidden" if not node.observed else "root" if node.root else "child"
    name, facts = texts
    x = box.x + _PADDING
    return tag(
        "a",
        tag("title", title),
        tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=7),
        tag("text", name, x=x, y=box.y + (15.5 if facts else 21.5), class_="name"),
        tag("text", facts, x=x, y=box.y + 28.0, class_="facts") if facts else "",
        class_=f"node {kind} {_hue(one, node.id)}",
        href=f"#{one.anchors[node.id]}",
        data_row=one.anchors[node.id],
        aria_label=title,
    )


def _edge(say: Texts, edge: Edge, route: Route, one: Painted, names: Mapping[str, str]) -> Markup:
    style = styles.drawn(styles.line(edge), edge)
    parts = [tag("title", _edge_title(say, edge, names)), *_line(_path(route, not edge.directed), style)]
    if edge.directed:
        x, y = route.tip
        points = " ".join(f"{number(px)},{number(py)}" for px, py in ((x, y), *head(x, y, route.facing)))
        parts.append(tag("polygon", points=points, class_="head"))
    kind = "declared" if edge.source == "declared" else _hue(one, edge.child)
    ends = f"{one.anchors[edge.parent]} {one.anchors[edge.child]}"
    return tag("g", parts, class_=f"edge {kind}", data_ends=ends, aria_hidden="true")


def _edge_title(say: Texts, edge: Edge, names: Mapping[str, str]) -> Markup:
    arrow = " → " if edge.directed else " — "
    figures = [joined("r ", r_figure(edge.r)), joined("z ", z_figure(edge.z))] if edge.r is not None else []
    if edge.confidence is not None:
        figures.append(joined(say("shares.confidence"), f" {edge.confidence:.2f}"))
    lines = [
        joined(names[edge.parent], arrow, names[edge.child]),
        joined(say(f"edge.{edge.source}"), ": ", edge_word(say, edge)),
        joined("" if edge.directed else say("edge.open")),
        between("  ", figures),
        *map(say.fact, edge.basis),
    ]
    return Markup("\n").join(unmarked(line) for line in lines if line)


def _edge_label(edge: Edge, route: Route, one: Painted) -> Markup:
    text = "" if edge.weight is None else f"{edge.weight:.2f}"
    if edge.component is not None:
        text = f"{text} {styles.shortened(plain(edge.component), _SMALL, 96.0)}".strip()
    if not text:
        return Markup("")
    x, y = route.label
    return tag(
        "text", text, x=x, y=y + 3.4, text_anchor="middle", class_=f"edge-label {_hue(one, edge.child)}",
        aria_hidden="true",
    )  # fmt: skip


def _sample(style: styles.Line) -> Markup:
    lines = _line("M0,7H36", style)
    return tag("svg", tag("g", *lines, class_="edge"), width=36, height=14, aria_hidden="true")


def _line(path: str, style: styles.Line) -> list[Markup]:
    dash = " ".join(map(number, style.dash)) or None
    cap = "round" if style.dash and style.dash[0] < 2 else None
    drawn = [tag("path", d=path, stroke_width=style.width, stroke_dasharray=dash, stroke_linecap=cap)]
    if style.is_double:
        drawn.append(tag("path", d=path, stroke_width=style.width * 0.45, class_="core"))
    return drawn


def _path(route: Route, to_tip: bool) -> str:
    parts = [f"M{_point(route.start)}"]
    parts += [f"C{_point(one)} {_point(two)} {_point(end)}" for one, two, end in route.curves]
    return "".join([*parts, f"L{_point(route.tip)}"] if to_tip else parts)


def _point(point: tuple[float, float]) -> str:
    return f"{number(point[0])},{number(point[1])}"


def _hue(one: Painted, node: str) -> str:
    hue = one.hues[node]
    return "alone" if hue < 0 else f"f{hue}"
