"""The picture of a graph as plain shapes; the files of svg and png are made from the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.report.figures import correlation, count, plain, score
from lineage.report.graphs import styles
from lineage.report.graphs.placement import Box, Layout, layout
from lineage.report.graphs.routes import Route, routes
from lineage.report.kinship import caption, families
from lineage.report.words import texts
from lineage.types import Edge, Lineage, Node
from lineage.types.facts import Fact

NAME_SIZE = 12.0
SMALL_SIZE = 9.5
_PADDING = 11.0
_NARROWEST = 96.0
_WIDEST_NAME = 236.0
_BORDER = 28.0
_LEGEND_STEP = 22.0
_NARROWEST_PAGE = 620.0
_MOST_CONTRADICTIONS = 12


@dataclass(frozen=True, slots=True)
class Label:
    """Text on the page, `y` its middle; `anchor` is start, middle or end."""

    text: str
    x: float
    y: float
    size: float
    colour: str = styles.INK
    anchor: str = "start"
    is_bold: bool = False
    is_italic: bool = False
    has_halo: bool = False


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node: its box, its paint, its lines of text, and what is shown on hovering."""

    node: Node
    box: Box
    fill: str | None
    stroke: str
    stroke_width: float
    dash: tuple[float, ...]
    labels: tuple[Label, ...]
    title: str


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An edge: its line, whether it has a head (filled or not), its label, and what is shown on hovering."""

    edge: Edge
    route: Route
    line: styles.Line
    colour: str
    has_head: bool
    is_head_filled: bool
    label: Label | None
    title: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A short line of the legend with its name beside it."""

    line: styles.Line
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything on the page, in pixels from its upper left corner; edges are drawn below nodes."""

    width: float
    height: float
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    samples: tuple[Sample, ...]
    labels: tuple[Label, ...]


def drawing(lineage: Lineage) -> Drawing:
    """Lay out the graph and paint it: roots full, others pale, hidden parents hollow; a legend above."""
    names = {node.id: styles.shortened(plain(node.name), NAME_SIZE, _WIDEST_NAME) for node in lineage.nodes}
    widths = {node.id: _width(node, names[node.id]) for node in lineage.nodes}
    plan = layout(lineage, widths)
    width = max(plan.width + 2 * _BORDER, _NARROWEST_PAGE)
    labels, samples, top = _head(lineage, width)
    colours = styles.colours(lineage)
    plan = _moved(plan, _BORDER, top)
    ways = routes(plan, lineage.edges)
    full_names = {node.id: plain(node.name) for node in lineage.nodes}
    foot, bottom = _foot(lineage.contradictions, top + plan.height + _BORDER, width)
    return Drawing(
        width,
        bottom,
        tuple(_node(node, plan.places[node.id], names[node.id], colours[node.id]) for node in lineage.nodes),
        tuple(_edge(e, way, colours, full_names) for e, way in zip(lineage.edges, ways, strict=True)),
        samples,
        (*labels, *foot),
    )


def _width(node: Node, name: str) -> float:
    texts = (styles.text_width(name, NAME_SIZE), styles.text_width(_facts(node), SMALL_SIZE))
    return max(_NARROWEST, max(texts) + 2 * _PADDING)


def _moved(plan: Layout, right: float, down: float) -> Layout:
    places = {slot: replace(box, x=box.x + right, y=box.y + down) for slot, box in plan.places.items()}
    spans = {slot: (left + right, end + right) for slot, (left, end) in plan.spans.items()}
    return replace(plan, places=places, spans=spans)


def _facts(node: Node) -> str:
    """The second line of a box."""
    if not node.observed:
        return "not in the index"
    licence = styles.shortened(plain(node.licence), SMALL_SIZE, 90.0) if node.licence else None
    copies = f"+{len(node.aliases)} name{'' if len(node.aliases) == 1 else 's'}" if node.aliases else None
    unseen = "weights not seen" if node.weights_seen is False else None
    return " · ".join(fact for fact in (count(node.params), unseen, licence, copies) if fact)


def _node(node: Node, box: Box, name: str, colour: str) -> DrawnNode:
    is_full = node.root and node.observed
    ink, faint = (styles.PAPER, styles.tint(colour, 0.16)) if is_full else (styles.INK, styles.FAINT)
    fill = colour if is_full else styles.tint(colour, 0.09) if node.observed else None
    x = box.x + _PADDING
    labels = (
        Label(name, x, box.y + 11.5, NAME_SIZE, ink, is_bold=is_full, is_italic=not node.observed),
        Label(_facts(node), x, box.y + 25.0, SMALL_SIZE, faint),
    )
    return DrawnNode(node, box, fill, colour, 1.2, () if node.observed else (4, 3), labels, _node_title(node))


def _node_title(node: Node) -> str:
    lines = [node.name, f"id {node.id}", f"{node.params:,} params", f"licence {node.licence or 'none stated'}"]
    if not node.observed:
        lines = [node.name, "a parent inferred from the weights, not in the index"]
    if node.weights_seen is False:
        lines.append("weights not seen here: the sketch was handed over")
    if node.aliases:
        lines.append(f"also {', '.join(node.aliases)}")
    return "\n".join(map(plain, lines))


def _edge(edge: Edge, route: Route, colours: Mapping[str, str], names: Mapping[str, str]) -> DrawnEdge:
    colour = styles.colour(edge, colours)
    text = "" if edge.weight is None else f"{edge.weight:.2f}"
    if edge.component is not None:
        text = f"{text} {styles.shortened(plain(edge.component), SMALL_SIZE, 84.0)}".strip()
    label = Label(text, *route.label, SMALL_SIZE, colour, "middle", is_bold=edge.weight is not None, has_halo=True)
    return DrawnEdge(
        edge,
        route,
        styles.drawn(styles.line(edge), edge),
        colour,
        edge.directed,
        edge.source == "measured",
        label if text else None,
        _edge_title(edge, names),
    )


def _edge_title(edge: Edge, names: Mapping[str, str]) -> str:
    way = "→" if edge.directed else "—"
    figures = [correlation(edge.r), score(edge.z)] if edge.r is not None or edge.z is not None else []
    if edge.confidence is not None:
        figures.append(f"confidence {edge.confidence:.2f}")
    lines = [f"{names[edge.parent]} {way} {names[edge.child]}", caption(edge)]
    return "\n".join(map(plain, [*lines, *(["  ".join(figures)] if figures else []), *texts(edge.basis)]))


def _head(lineage: Lineage, width: float) -> tuple[tuple[Label, ...], tuple[Sample, ...], float]:
    """What the picture shows, the lines that occur in it, and where the graph begins."""
    labels = [Label(_caption(lineage), _BORDER, 30.0, 14.0, is_bold=True)]
    used = {styles.line(edge) for edge in lineage.edges}
    samples: list[Sample] = []
    x, y = _BORDER, 58.0
    for style in styles.LINES:
        if style not in used:
            continue
        room = 44.0 + styles.text_width(style.label, SMALL_SIZE + 1) + 18.0
        if x + room > width - _BORDER and x > _BORDER:
            x, y = _BORDER, y + _LEGEND_STEP
        samples.append(Sample(style, x, y, 36.0))
        labels.append(Label(style.label, x + 44.0, y, SMALL_SIZE + 1, styles.FAINT))
        x += room
    return tuple(labels), tuple(samples), y + (24.0 if samples else 0.0)


def _caption(lineage: Lineage) -> str:
    hidden = sum(not node.observed for node in lineage.nodes)
    known = len(lineage.nodes) - hidden
    related = sum(len(family) > 1 for family in families(lineage))
    parts = [f"{known:,} model{'' if known == 1 else 's'}", f"{related:,} famil{'y' if related == 1 else 'ies'}"]
    if hidden:
        parts.append(f"{hidden:,} hidden parent{'' if hidden == 1 else 's'}")
    return ", ".join(parts)


def _foot(contradictions: Sequence[Fact], y: float, width: float) -> tuple[tuple[Label, ...], float]:
    """Where cards and weights disagree, one line each, and the height of the page."""
    if not contradictions:
        return (), y
    shown = [
        f"declared, but not what the weights say: {plain(text)}"
        for text in texts(contradictions[:_MOST_CONTRADICTIONS])
    ]
    if len(contradictions) > len(shown):
        shown.append(f"and {len(contradictions) - len(shown)} more")
    size = SMALL_SIZE + 1
    labels = tuple(
        Label(styles.shortened(text, size, width - 2 * _BORDER), _BORDER, y + 8 + i * 16, size, "#a8323e")
        for i, text in enumerate(shown)
    )
    return labels, y + len(shown) * 16 + _BORDER
