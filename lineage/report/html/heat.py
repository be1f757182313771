"""Layer by layer: the r and z of every matrix, role by layer, as tables whose cells are shaded and hold the figure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from lineage.report.html.document import scrolling
from lineage.report.html.markup import between, joined, tag, unmarked
from lineage.report.html.palette import Piece, chip
from lineage.report.html.texts import Texts
from lineage.report.html.wording import MINUS, model, r_figure, z_figure
from lineage.types import Comparison, TensorMatch, Whois

_ROLES = (
    "qkv", "q", "k", "v", "kv", "o", "gate-up", "gate", "up", "down", "router", "expert-gate-up", "expert-gate",
    "expert-up", "expert-down", "token-embedding", "position-embedding", "type-embedding", "patch-embedding",
)  # fmt: skip
_LONG = 4  # letters of a heading that is set upright
_Z_STEPS = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0)
_Z_SHADES = (0, 3, 5, 7, 8, 9, 10)


class Column(NamedTuple):
    """A column of a map: the tensors of one role that count as evidence, or those that do not."""

    role: str
    is_used: bool


Cells = Mapping[tuple[int | None, Column], Sequence[TensorMatch]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A component with the comparison whose figures are shown for it."""

    piece: Piece
    found: Comparison


def shown(answer: Whois, pieces: Iterable[Piece]) -> tuple[Shown, ...]:
    """For each component the comparison with its model; where it has none, that with the nearest model."""
    by_model = {one.model: one for one in (*answer.alternatives, *answer.ancestors)}
    found = [(piece, by_model.get(piece.model or "", answer.nearest)) for piece in pieces]
    return tuple(Shown(piece, one) for piece, one in found if one is not None and _tensors(piece, one))


def heat_map(say: Texts, one: Shown) -> Markup:
    """The two maps of a component side by side."""
    tensors = _tensors(one.piece, one.found)
    cells: dict[tuple[int | None, Column], list[TensorMatch]] = {}
    for match in tensors:
        cells.setdefault((match.layers[0], _column(match)), []).append(match)
    named = say.word("component", one.piece.finding.name)
    key = "heat.against" if one.piece.model is not None else "heat.against_unrelated"
    title = joined(chip(one.piece), " ", say(key, component=named, model=model(one.found.model_name)))
    maps = [
        _map(say, joined(say("heat.r"), ": ", unmarked(title)), cells, _r_cell, "r"),
        _map(say, joined(say("heat.z"), ": ", unmarked(title)), cells, _z_cell, "z"),
    ]
    return tag("figure", tag("figcaption", title), tag("div", maps, class_="maps"), class_="heat")


def scale(say: Texts) -> Markup:
    """What the shades mean."""
    r = [tag("span", f"{step / 10:.1f}", class_=f"shade h{step}") for step in range(0, 11, 2)]
    z_labels = ["< 3", *(f"{step:.0f}+" for step in _Z_STEPS)]
    z = [tag("span", text, class_=f"shade h{shade}") for text, shade in zip(z_labels, _Z_SHADES, strict=True)]
    out = tag("span", "0.9", class_="shade out")
    return tag(
        "p", tag("span", "r ", r), " ", tag("span", "z ", z), " ", tag("span", out, " ", say("heat.out")),
        class_="scale",
    )  # fmt: skip


def _tensors(piece: Piece, found: Comparison) -> list[TensorMatch]:
    return [m for m in found.tensors if m.component == piece.finding.name and (m.r is not None or m.z is not None)]


def _column(match: TensorMatch) -> Column:
    return Column(match.role, match.used)


def _map(
    say: Texts, caption: Markup, cells: Cells, cell: Callable[[TensorMatch], tuple[float | None, str, int]], unit: str
) -> Markup:
    columns = sorted({column for _, column in cells}, key=_order)
    layers = sorted({layer for layer, _ in cells}, key=lambda layer: -1 if layer is None else layer)
    headings = {column: say.word("tensor", column.role) for column in columns}
    heads = [tag("th", text, scope="col", class_=_head_class(column, text)) for column, text in headings.items()]
    rows = [
        tag(
            "tr",
            tag("th", say("heat.no_layer") if layer is None else str(layer), scope="row"),
            *(_cell(say, cells.get((layer, column), ()), cell) for column in columns),
        )
        for layer in layers
    ]
    top = tag("thead", tag("tr", tag("th", say("heat.layer"), scope="col"), heads))
    name = tag("caption", tag("b", unit), tag("span", caption, class_="unseen"))
    return scrolling(tag("table", name, top, tag("tbody", rows)), caption)


def _head_class(column: Column, heading: str) -> str | None:
    classes = ["upright"] if len(heading) > _LONG and heading.isascii() else []  # Hangul is not longer than a cell
    return " ".join([*classes, "out"] if not column.is_used else classes) or None


def _cell(
    say: Texts, matches: Sequence[TensorMatch], cell: Callable[[TensorMatch], tuple[float | None, str, int]]
) -> Markup:
    """The median of the tensors that share a place; what was left out is struck through, whatever its figure."""
    known = sorted((value, match.a, match) for match in matches if (value := cell(match)[0]) is not None)
    if not known:
        return tag("td", "·", class_="empty")
    middle = known[(len(known) - 1) // 2][2]
    _, text, shade = cell(middle)
    if not middle.used:
        return tag("td", text, class_="out")
    return tag("td", text, class_=f"h{shade}", title=_title(say, matches, middle))


def _title(say: Texts, matches: Sequence[TensorMatch], middle: TensorMatch) -> Markup:
    name = middle.a if len(matches) == 1 else say("heat.median", count=len(matches), name=middle.a)
    figures = joined("r ", r_figure(middle.r), ", z ", z_figure(middle.z))
    return between(": ", [name, figures])


def _r_cell(match: TensorMatch) -> tuple[float | None, str, int]:
    """A correlation to three places, never rounded up to 1."""
    r = match.r
    if r is None:
        return None, "", 0
    short = "1" if r >= 1.0 - 1e-9 else f"{math.trunc(r * 1000) / 1000:.3f}".replace("0.", ".").replace("-", MINUS)
    return r, short, max(0, min(10, math.floor(r * 10 + 1e-9)))


def _z_cell(match: TensorMatch) -> tuple[float | None, str, int]:
    z = match.z
    if z is None:
        return None, "", 0
    return z, str(z_figure(z)), _Z_SHADES[bisect_right(_Z_STEPS, z)]


def _order(column: Column) -> tuple[bool, int, str]:
    role = column.role
    return not column.is_used, _ROLES.index(role) if role in _ROLES else len(_ROLES), role
