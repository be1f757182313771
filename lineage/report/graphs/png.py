"""The picture as PNG, drawn by matplotlib (extra `picture`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lineage.report.graphs.drawing import Drawing, DrawnEdge, DrawnNode, Label, drawing
from lineage.report.graphs.routes import Route
from lineage.report.graphs.styles import INK, PAPER, Line
from lineage.report.graphs.svg import head
from lineage.types import Lineage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

_SCALE = 2.0  # pixels of the file to a pixel of the drawing
_MOST_PIXELS = 20_000  # on a side
_MOST_AREA = 60_000_000
_LEGIBLE = 3.0  # pixels; smaller text is left out
_FONTS = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "Noto Sans CJK JP")
_POINTS = 72.0  # to an inch: with as many dots to the inch, a point of matplotlib is a pixel of the drawing


def render(lineage: Lineage) -> bytes:
    """The same picture as the SVG, twice its size, or as large as 60 megapixels allow."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = drawing(lineage)
    longest, area = max(picture.width, picture.height), picture.width * picture.height
    scale = min(_SCALE, _MOST_PIXELS / longest, (_MOST_AREA / area) ** 0.5)
    figure = Figure(figsize=(picture.width / _POINTS, picture.height / _POINTS), dpi=_POINTS, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.set_axis_off()
    _draw(axes, picture, scale)
    page = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        FigureCanvasAgg(figure).print_figure(page, dpi=_POINTS * scale, metadata={"Software": None}, facecolor=PAPER)
    return page.getvalue()


def _draw(axes: Axes, picture: Drawing, scale: float) -> None:
    from matplotlib.path import Path

    for sample in picture.samples:
        _line(axes, Path([(sample.x, sample.y), (sample.x + sample.width, sample.y)]), sample.line, INK, 1)
    for edge in picture.edges:
        _edge(axes, edge)
    for node in picture.nodes:
        _box(axes, node)
    labels = [*picture.labels, *(edge.label for edge in picture.edges if edge.label is not None)]
    _write(axes, [*labels, *(label for node in picture.nodes for label in node.labels)], scale)


def _edge(axes: Axes, drawn: DrawnEdge) -> None:
    from matplotlib.patches import Polygon

    route = drawn.route
    _line(axes, _path(route, to_tip=not drawn.has_head), drawn.line, drawn.colour, 2)
    if drawn.has_head:
        x, y = route.tip
        fill = drawn.colour if drawn.is_head_filled else PAPER
        corners = [(x, y), *head(x, y, route.facing)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=fill, edgecolor=drawn.colour, linewidth=1, zorder=3))


def _path(route: Route, to_tip: bool) -> Path:
    from matplotlib.path import Path

    points = [route.start, *(point for curve in route.curves for point in curve)]
    codes = [Path.MOVETO, *[Path.CURVE4] * (len(points) - 1)]
    if to_tip:
        points.append(route.tip)
        codes.append(Path.LINETO)
    return Path(points, codes)


def _line(axes: Axes, path: Path, style: Line, colour: str, zorder: float) -> None:
    from matplotlib.patches import PathPatch

    lines: Any = (0, style.dash) if style.dash else "solid"
    cap: Any = "round" if style.dash and style.dash[0] < 2 else "butt"
    axes.add_patch(
        PathPatch(
            path, fill=False, edgecolor=colour, linewidth=style.width, linestyle=lines, capstyle=cap, zorder=zorder
        )
    )
    if style.is_double:
        axes.add_patch(PathPatch(path, fill=False, edgecolor=PAPER, linewidth=style.width * 0.45, zorder=zorder))


def _box(axes: Axes, drawn: DrawnNode) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = drawn.box
    lines: Any = (0, drawn.dash) if drawn.dash else "solid"
    axes.add_patch(
        FancyBboxPatch(
            (box.x, box.y), box.width, box.height,
            boxstyle="round,pad=0,rounding_size=7",
            facecolor=drawn.fill or PAPER, edgecolor=drawn.stroke, linewidth=drawn.stroke_width, linestyle=lines,
            zorder=4,
        )
    )  # fmt: skip


def _write(axes: Axes, labels: Iterable[Label], scale: float) -> None:
    from matplotlib.font_manager import fontManager
    from matplotlib.patheffects import withStroke

    installed = {font.name for font in fontManager.ttflist}
    family = ["DejaVu Sans", *(font for font in _FONTS if font in installed)]
    for label in labels:
        if label.size * scale < _LEGIBLE:
            continue
        text = axes.text(
            label.x, label.y, label.text,
            fontsize=label.size, color=label.colour, va="center_baseline",
            ha="center" if label.anchor == "middle" else "left",
            weight="bold" if label.is_bold else "normal", style="italic" if label.is_italic else "normal",
            zorder=5, parse_math=False, family=family,
        )  # fmt: skip
        if label.has_halo:
            text.set_path_effects([withStroke(linewidth=3.5, foreground=PAPER)])
