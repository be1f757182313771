"""The figures and their null distribution: what chance gives, and how far from it this model lies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from markupsafe import Markup

from lineage.report.graphs.placement import settled
from lineage.report.html.document import scrolling, table
from lineage.report.html.heat import Shown
from lineage.report.html.markup import between, joined, number, tag
from lineage.report.html.texts import Texts
from lineage.report.html.wording import MINUS, model, r_figure, z_figure
from lineage.types import Evidence, Null, TensorMatch, Whois

_WIDTH, _HEIGHT, _LEFT, _RIGHT = 720.0, 250.0, 18.0, 24.0
_TOP, _BASE = 44.0, 206.0
_NULL_END = 6.0  # z beyond which chance is not drawn
_Z_TICKS = (-5, -3, 0, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LETTER = 13.0
_MOST_ROWS = 40

Place = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Observed:
    """One figure of this model: the letter and fill of its component."""

    letter: str
    fill: str
    value: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one picture shows: what chance gave, this model's components, its matrices."""

    chance: Sequence[float]
    seen: Sequence[Observed]
    matrices: Sequence[float]

    def is_empty(self) -> bool:
        """Whether there is nothing to draw an axis for."""
        return not self.seen and not self.chance


def null_z(null: Null) -> list[float]:
    """Every z that chance gave: relabelled units, and components against unrelated models."""
    drawn = [z for one in null.relabelled for z in one.z]
    return drawn + [one.z for one in null.unrelated if one.z is not None]


def null_r(null: Null) -> list[float]:
    """Every r that chance gave; a relabelled z is about its r times the reach."""
    drawn = [z / one.reach for one in null.relabelled for z in one.z if one.reach > 0]
    return drawn + [one.r for one in null.unrelated if one.r is not None]


def z_picture(say: Texts, null: Null, shown: Sequence[Shown]) -> Markup | None:
    """The z on an axis linear near 0 and logarithmic beyond; over the bars N(0, 1), approximately z by chance."""
    drawn = Drawn(null_z(null), _observed(shown, lambda found: found.z), _matrices(shown, lambda match: match.z))
    if drawn.is_empty():
        return None
    reach = 1.2 * max([10.0, *drawn.matrices, *(one.value for one in drawn.seen)])
    place = _axis(math.asinh(-_NULL_END), math.asinh(reach), math.asinh)
    ticks = [(float(tick), f"{tick:,}".replace("-", MINUS)) for tick in _Z_TICKS if tick <= reach]
    bars = [*_bars(drawn.chance, 0.5, place), _curve(drawn.chance, place)]
    label = say("chance.z_label", count=len(drawn.chance), seen=_said(drawn.seen, z_figure))
    return _picture([*bars, *_axis_parts(ticks, place, "z"), *_over(drawn, place)], label)


def r_picture(say: Texts, null: Null, shown: Sequence[Shown]) -> Markup | None:
    """The r on a plain axis."""
    drawn = Drawn(null_r(null), _observed(shown, lambda found: found.r), _matrices(shown, lambda match: match.r))
    if drawn.is_empty():
        return None
    least = min([-0.1, *drawn.chance, *drawn.matrices, *(one.value for one in drawn.seen)]) - 0.02
    place = _axis(least, 1.02, lambda r: r)
    ticks = [(tick / 5, f"{tick / 5:.1f}".replace("-", MINUS)) for tick in range(-5, 6) if tick / 5 >= least]
    label = say("chance.r_label", count=len(drawn.chance), seen=_said(drawn.seen, r_figure))
    bars = _bars(drawn.chance, 0.01, place)
    return _picture([*bars, *_axis_parts(ticks, place, "r"), *_over(drawn, place)], label)


def sources(say: Texts, answer: Whois) -> Markup:
    """Where the grey bars come from, counted."""
    null = answer.null
    draws = sum(len(one.z) for one in null.relabelled)
    texts = []
    if draws:
        texts.append(say("chance.relabelled", draws=draws, components=len(null.relabelled)))
    tested = len({one.model for one in null.unrelated})
    if tested:
        zs = [one.z for one in null.unrelated if one.z is not None]
        spread = say("chance.spread", mean=f"{fmean(zs):.2f}", sd=f"{pstdev(zs):.2f}") if len(zs) > 1 else Markup()
        texts.append(
            say("chance.unrelated", models=tested, components=len(null.unrelated), matrices=len(null.matrices))
        )
        texts.append(spread)
    without = null.models - tested
    if without:
        texts.append(say("chance.without", models=without))
    return tag("p", Markup(" ").join(text for text in texts if text))


def unrelated_table(say: Texts, null: Null) -> Markup | None:
    """The comparisons with unrelated models one by one, the strongest first."""
    ordered = sorted(null.unrelated, key=lambda one: (-abs(one.z or 0.0), one.model_name, one.component))
    rows: list[list[str]] = [
        [model(one.model_name), say.word("component", one.component), r_figure(one.r), z_figure(one.z)]
        for one in ordered[:_MOST_ROWS]
    ]
    if not rows:
        return None
    heads = [say("chance.model"), say("shares.component"), "r", "z"]
    caption = say("chance.table", shown=len(rows), count=len(ordered))
    return tag("details", tag("summary", caption), table(caption, heads, rows, (2, 3)))


def _observed(shown: Sequence[Shown], figure: Callable[[Evidence], float | None]) -> list[Observed]:
    pieces = [(one.piece, figure(one.piece.finding.evidence)) for one in shown]
    return [Observed(piece.letter, piece.fill, value) for piece, value in pieces if value is not None]


def _matrices(shown: Sequence[Shown], figure: Callable[[TensorMatch], float | None]) -> list[float]:
    matches = (m for one in shown for m in one.found.tensors if m.component == one.piece.finding.name and m.used)
    return [value for match in matches if (value := figure(match))]


def _axis(low: float, high: float, bend: Callable[[float], float]) -> Place:
    room = _WIDTH - _LEFT - _RIGHT
    return lambda value: _LEFT + room * (bend(value) - low) / (high - low)


def _bars(values: Sequence[float], step: float, place: Place) -> Iterator[Markup]:
    """A histogram whose height is the density, the height of N(0, 1) at 0 filling two thirds of the figure."""
    counts: dict[int, int] = {}
    for value in values:
        counts[math.floor(value / step)] = counts.get(math.floor(value / step), 0) + 1
    highest = _density_unit(values, step, counts)
    for bin_, count in sorted(counts.items()):
        left, right = place(bin_ * step), place((bin_ + 1) * step)
        height = max(1.5, count / len(values) / step / highest * (_BASE - _TOP) * 0.66)
        yield tag(
            "rect", x=left, y=_BASE - height, width=max(1.0, right - left - 0.6), height=height, class_="null-bar"
        )


def _density_unit(values: Sequence[float], step: float, counts: dict[int, int]) -> float:
    """The density that is drawn at full height."""
    return max([1 / math.sqrt(2 * math.pi) if step >= 0.5 else 0.0, *(c / len(values) / step for c in counts.values())])


def _curve(values: Sequence[float], place: Place) -> Markup:
    counts: dict[int, int] = {}
    for value in values:
        counts[math.floor(value / 0.5)] = counts.get(math.floor(value / 0.5), 0) + 1
    highest = _density_unit(values, 0.5, counts)
    points = []
    for i in range(-50, 51):
        z = i / 10
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        points.append(f"{number(place(z))},{number(_BASE - density / highest * (_BASE - _TOP) * 0.66)}")
    return tag("polyline", points=" ".join(points), class_="null-curve")


def _axis_parts(ticks: Iterable[tuple[float, str]], place: Place, name: str) -> Iterator[Markup]:
    yield tag("line", x1=_LEFT, y1=_BASE, x2=_WIDTH - _RIGHT, y2=_BASE, class_="axis")
    for value, text in ticks:
        yield tag("line", x1=place(value), y1=_BASE, x2=place(value), y2=_BASE + 5, class_="axis")
        yield tag("text", text, x=place(value), y=_BASE + 19, text_anchor="middle", class_="tick")
    yield tag("text", name, x=_WIDTH - 4, y=_BASE + 5, text_anchor="end", class_="tick name")


def _rug(values: Sequence[float], place: Place) -> Iterator[Markup]:
    """A short line a matrix, under the axis; equal places once."""
    for x in sorted({number(place(value)) for value in values}, key=float):
        yield tag("line", x1=x, y1=_BASE + 26, x2=x, y2=_BASE + 36, class_="rug")


def _marks(seen: Sequence[Observed], place: Place) -> Iterator[Markup]:
    """A line a component with its letter on top; letters that would overlap or leave the page are moved aside."""
    ordered = sorted(seen, key=lambda one: (one.value, one.letter))
    ends = settled([place(one.value) for one in ordered], [2 * _LETTER] * len(ordered))
    beyond = max([0.0, *(end - (_WIDTH - _LETTER) for end in ends[-1:])])
    for one, end in zip(ordered, ends, strict=True):
        x, at = place(one.value), end - beyond
        yield tag("path", d=f"M{number(x)},{number(_BASE)}V{number(_TOP)}L{number(at)},30", class_="mark")
        yield tag("circle", cx=at, cy=_LETTER + 5, r=_LETTER - 1, class_=f"fill {one.fill}")
        yield tag("text", one.letter, x=at, y=_LETTER + 9.5, text_anchor="middle", class_=f"letter {one.fill}")


def _over(drawn: Drawn, place: Place) -> Iterator[Markup]:
    """This model's own figures."""
    yield from _rug(drawn.matrices, place)
    yield from _marks(drawn.seen, place)


def _picture(parts: Iterable[str], label: Markup) -> Markup:
    box = f"0 0 {number(_WIDTH)} {number(_HEIGHT)}"
    return scrolling(tag("svg", parts, viewBox=box, class_="chance", role="img", aria_label=label), label)


def _said(seen: Sequence[Observed], figure: Callable[[float | None], Markup]) -> Markup:
    return between(", ", (joined(one.letter, " ", figure(one.value)) for one in seen))
