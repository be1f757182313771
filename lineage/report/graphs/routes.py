"""The line of each edge: level through the columns that it passes, a curve from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lineage.report.graphs.layers import Slot
from lineage.report.graphs.placement import Box, Layout
from lineage.types import Edge

_APART = 8.5  # between the edges that enter one box
_HEAD = 7.0  # room for an arrow's head

Point = tuple[float, float]
Curve = tuple[Point, Point, Point]
"""A cubic Bézier curve from the end of the line so far: two control points and the end."""


@dataclass(frozen=True, slots=True)
class Route:
    """A line on the page. `tip` is the point of the arrow's head, `facing` is 1 to the right and -1 to the left."""

    start: Point
    curves: tuple[Curve, ...]
    tip: Point
    facing: int
    label: Point


def routes(layout: Layout, edges: Sequence[Edge]) -> list[Route]:
    """One route an edge, in their order; edges that enter the same side of a box keep apart."""
    ports = _ports(layout, edges)
    return [_route(layout, edge, ports[i]) for i, edge in enumerate(edges)]


@dataclass(frozen=True, slots=True)
class _Ports:
    """The y at which an edge leaves its parent and enters its child, and its number among those that enter."""

    leave: float
    enter: float
    number: int


def _ports(layout: Layout, edges: Sequence[Edge]) -> list[_Ports]:
    entering: dict[str, list[tuple[float, int]]] = {}
    leaving: dict[tuple[str, str], list[int]] = {}
    for i, edge in enumerate(edges):
        entering.setdefault(edge.child, []).append((_approach(layout, edge), i))
        leaving.setdefault((edge.parent, edge.child), []).append(i)
    enter: dict[int, float] = {}
    leave: dict[int, float] = {}
    number: dict[int, int] = {}
    for child, arrivals in entering.items():
        order = [i for _, i in sorted(arrivals)]
        enter |= _spread(layout.places[child], order)
        number |= {i: k for k, i in enumerate(order)}
    for (parent, _), parallel in leaving.items():
        leave |= _spread(layout.places[parent], sorted(parallel, key=enter.__getitem__))
    return [_Ports(leave[i], enter[i], number[i]) for i in range(len(edges))]


def _spread(box: Box, numbers: Sequence[int]) -> dict[int, float]:
    apart = min(_APART, (box.height - 6) / len(numbers))
    return {number: box.middle + (k - (len(numbers) - 1) / 2) * apart for k, number in enumerate(numbers)}


def _approach(layout: Layout, edge: Edge) -> float:
    """The y from which an edge comes to its child: that of the last slot before it."""
    way = _way(layout.ways, edge)
    return layout.places[way[-2]].middle


def _way(ways: Mapping[tuple[str, str], tuple[Slot, ...]], edge: Edge) -> tuple[Slot, ...]:
    """The slots from parent to child, whichever stands left."""
    if (edge.parent, edge.child) in ways:
        return ways[edge.parent, edge.child]
    if (edge.child, edge.parent) in ways:
        return ways[edge.child, edge.parent][::-1]
    return edge.parent, edge.child


def _route(layout: Layout, edge: Edge, ports: _Ports) -> Route:
    way = _way(layout.ways, edge)
    leave, enter = ports.leave, ports.enter
    places, spans = layout.places, layout.spans
    if spans[way[0]] == spans[way[-1]]:
        return _beside(places[edge.parent], places[edge.child], spans[edge.parent][1], leave, enter)
    facing = 1 if spans[way[0]] < spans[way[-1]] else -1
    near, far = (1, 0) if facing == 1 else (0, 1)
    parent, child = places[edge.parent], places[edge.child]
    start = (parent.x + parent.width if facing == 1 else parent.x, leave)
    tip = (child.x if facing == 1 else child.x + child.width, enter)
    pen = start
    curves: list[Curve] = []
    for here, there in pairwise(way):
        y = enter if there == edge.child else places[there].middle
        edge_of_column = (spans[here][near], pen[1])
        last = there == edge.child
        end = (tip[0] - facing * _HEAD if last else spans[there][far], y)
        curves += [_straight(pen, edge_of_column), *_bend(edge_of_column, (spans[there][far], y), end)]
        pen = end
    return Route(start, tuple(curves), tip, facing, _label_point(start, curves, ports.number))


def _straight(pen: Point, end: Point) -> Curve:
    return pen, end, end


def _bend(start: Point, border: Point, end: Point) -> list[Curve]:
    """From one column to the border of the next, level at both ends; then on to a box that is narrower."""
    target = end if abs(end[0] - start[0]) <= abs(border[0] - start[0]) else border
    half = (start[0] + target[0]) / 2
    curve = ((half, start[1]), (half, target[1]), target)
    return [curve] if target == end else [curve, _straight(target, end)]


def _beside(parent: Box, child: Box, border: float, leave: float, enter: float) -> Route:
    """Between two boxes of one column: out to the right and back."""
    start, tip = (parent.x + parent.width, leave), (child.x + child.width, enter)
    out = border + min(60.0, 16.0 + abs(enter - leave) * 0.18)
    end = (tip[0] + _HEAD, enter)
    curves = ((((out, leave)), (out, enter), end),)
    return Route(start, curves, tip, -1, ((out - border) * 0.75 + border, (leave + enter) / 2))


def _label_point(start: Point, curves: Sequence[Curve], number: int) -> Point:
    """A point on the last bend; neighbours take turns, so that labels of merging edges lie apart."""
    pen = start
    bends = []
    for curve in curves:
        if curve[0] != pen:
            bends.append((pen, curve))
        pen = curve[2]
    if not bends:
        return (start[0] + pen[0]) / 2, pen[1]
    origin, (one, two, end) = bends[-1]
    t = 0.25 if number % 2 else 0.62
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, (origin, one, two, end), strict=True)) for axis in (0, 1))
    return x, y
