"""The picture as SVG 1.1: no scripts, no links, no fonts from elsewhere; hovering shows the figures."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from lineage.report.graphs.drawing import Drawing, DrawnEdge, DrawnNode, Label, Sample, drawing
from lineage.report.graphs.network import xml_text
from lineage.report.graphs.routes import Route
from lineage.report.graphs.styles import INK, PAPER, Line
from lineage.types import Lineage

_FONT = "'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif"


def render(lineage: Lineage) -> bytes:
    """The graph in layers from left to right."""
    return ("\n".join([*_page(drawing(lineage))]) + "\n").encode("utf-8")


def _page(picture: Drawing) -> Iterable[str]:
    width, height = _number(picture.width), _number(picture.height)
    yield "<?xml version='1.0' encoding='utf-8'?>"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' font-family="{_FONT}">'
    )
    yield f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
    for sample in picture.samples:
        yield _sample(sample)
    for edge in picture.edges:
        yield from _edge(edge)
    for node in picture.nodes:
        yield from _node(node)
    for edge in picture.edges:
        if edge.label is not None:
            yield _label(edge.label)
    for label in picture.labels:
        yield _label(label)
    yield "</svg>"


def _node(drawn: DrawnNode) -> Iterable[str]:
    box = drawn.box
    yield f'<g class="node" data-id={_quoted(drawn.node.id)}><title>{_text(drawn.title)}</title>'
    yield (
        f'<rect x="{_number(box.x)}" y="{_number(box.y)}" width="{_number(box.width)}" height="{_number(box.height)}"'
        f' rx="7" fill="{drawn.fill or PAPER}" stroke="{drawn.stroke}" stroke-width="{_number(drawn.stroke_width)}"'
        f"{_dashes(drawn.dash)}/>"
    )
    yield from map(_label, drawn.labels)
    yield "</g>"


def _edge(drawn: DrawnEdge) -> Iterable[str]:
    edge, route = drawn.edge, drawn.route
    yield (
        f'<g class="edge" data-parent={_quoted(edge.parent)} data-child={_quoted(edge.child)}'
        f' data-relation="{edge.relation}" data-source="{edge.source}"><title>{_text(drawn.title)}</title>'
    )
    yield from _line(_path(route, to_tip=not drawn.has_head), drawn.line, drawn.colour)
    if drawn.has_head:
        x, y = route.tip
        points = " ".join(f"{_number(px)},{_number(py)}" for px, py in ((x, y), *head(x, y, route.facing)))
        fill = drawn.colour if drawn.is_head_filled else PAPER
        yield f'<polygon points="{points}" fill="{fill}" stroke="{drawn.colour}" stroke-width="1"/>'
    yield "</g>"


def head(x: float, y: float, facing: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two rear corners of an arrowhead with its tip at (x, y)."""
    back = x - facing * 9.0
    return (back, y - 4.2), (back, y + 4.2)


def _line(path: str, style: Line, colour: str) -> Iterable[str]:
    cap = ' stroke-linecap="round"' if style.dash and style.dash[0] < 2 else ""
    yield (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{_number(style.width)}"'
        f"{_dashes(style.dash)}{cap}/>"
    )
    if style.is_double:
        yield f'<path d="{path}" fill="none" stroke="{PAPER}" stroke-width="{_number(style.width * 0.45)}"/>'


def _path(route: Route, to_tip: bool) -> str:
    parts = [f"M{_point(route.start)}"]
    parts += [f"C{_point(one)} {_point(two)} {_point(end)}" for one, two, end in route.curves]
    return "".join([*parts, f"L{_point(route.tip)}"] if to_tip else parts)


def _sample(sample: Sample) -> str:
    path = f"M{_point((sample.x, sample.y))}H{_number(sample.x + sample.width)}"
    return f'<g class="legend">{"".join(_line(path, sample.line, INK))}</g>'


def _label(label: Label) -> str:
    style = f' text-anchor="{label.anchor}"' if label.anchor != "start" else ""
    style += ' font-weight="bold"' if label.is_bold else ""
    style += ' font-style="italic"' if label.is_italic else ""
    style += f' stroke="{PAPER}" stroke-width="3.5" paint-order="stroke"' if label.has_halo else ""
    y = label.y + label.size * 0.36  # the middle of lower-case letters; not every viewer knows dominant-baseline
    return (
        f'<text x="{_number(label.x)}" y="{_number(y)}" font-size="{_number(label.size)}" fill="{label.colour}"{style}>'
        f"{_text(label.text)}</text>"
    )


def _dashes(dash: tuple[float, ...]) -> str:
    return f' stroke-dasharray="{" ".join(map(_number, dash))}"' if dash else ""


def _point(point: tuple[float, float]) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return escape("\n".join(xml_text(line) for line in text.split("\n")))


def _quoted(text: str) -> str:
    return quoteattr(xml_text(text))
