"""Where each model is drawn: coordinates within a family, and families side by side on one page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lineage.report.graphs.crossings import ordered
from lineage.report.graphs.layers import Slot, layered
from lineage.report.kinship import connected
from lineage.types import Edge, Lineage

HEIGHT = 34.0
_BETWEEN = 12.0  # from one box to the next below it
_STOP = 12.0  # room of an edge that passes a column
_GAP = 104.0  # from one column to the next
_MARGIN = 38.0  # from one family to the next
_SWEEPS = 16
_PROPORTION = 1.6  # of the page, width to height


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of its centre line."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes of nodes, columns and stops: `places` by slot, as wide as the slot's column for stops.

    `spans` are the left and right end of the column of each slot; `ways` as in Layered.
    """

    width: float
    height: float
    places: Mapping[Slot, Box]
    spans: Mapping[Slot, tuple[float, float]]
    ways: Mapping[tuple[str, str], tuple[Slot, ...]]


def layout(lineage: Lineage, widths: Mapping[str, float]) -> Layout:
    """Place every node, `widths` wide, so that none overlaps another and children stand right of their parents."""
    edges_of: dict[str, list[Edge]] = {}
    blocks = []
    groups = connected(lineage.nodes, lineage.edges)
    group_of = {node.id: group[0].id for group in groups for node in group}
    for edge in lineage.edges:
        edges_of.setdefault(group_of[edge.parent], []).append(edge)
    for group in groups:
        graph = layered(group, edges_of.get(group[0].id, ()))
        blocks.append(_block(ordered(graph), graph.links(), graph.ways, widths))
    return _page([b for b in blocks if len(b.places) > 1], [b for b in blocks if len(b.places) == 1])


def settled(wanted: Sequence[float], rooms: Sequence[float]) -> list[float]:
    """Centres nearest to `wanted` (least squares) that keep their order and their `rooms` apart.

    Subtracting the least distances makes it isotonic regression, solved by pooling adjacent violators
    (Barlow et al. 1972).
    """
    offsets = [0.0]
    for upper, lower in pairwise(rooms):
        offsets.append(offsets[-1] + (upper + lower) / 2)
    pools: list[tuple[float, int]] = []
    for value, offset in zip(wanted, offsets, strict=False):
        total, members = value - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / members:
            upper_total, upper_members = pools.pop()
            total, members = total + upper_total, members + upper_members
        pools.append((total, members))
    levels = [total / members for total, members in pools for _ in range(members)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]


def _block(
    columns: Sequence[Sequence[Slot]],
    links: Iterable[tuple[Slot, Slot]],
    ways: Mapping[tuple[str, str], tuple[Slot, ...]],
    widths: Mapping[str, float],
) -> Layout:
    """One connected set of nodes, with its upper left corner at the origin."""
    centre = _centres(columns, links)
    top = min(centre[slot] - _room(slot) / 2 for column in columns for slot in column)
    places: dict[Slot, Box] = {}
    spans: dict[Slot, tuple[float, float]] = {}
    x = bottom = 0.0
    for column in columns:
        width = max((widths[slot] for slot in column if isinstance(slot, str)), default=0.0)
        for slot in column:
            height = HEIGHT if isinstance(slot, str) else 0.0
            own = widths[slot] if isinstance(slot, str) else width
            places[slot] = Box(x, centre[slot] - top - height / 2, own, height)
            spans[slot] = (x, x + width)
            bottom = max(bottom, centre[slot] - top + _room(slot) / 2)
        x += width + _GAP
    return Layout(x - _GAP, bottom, places, spans, ways)


def _centres(columns: Sequence[Sequence[Slot]], links: Iterable[tuple[Slot, Slot]]) -> dict[Slot, float]:
    """The y of each slot: parents in the middle of their children, edges as straight as the order allows."""
    before: dict[Slot, list[Slot]] = {}
    after: dict[Slot, list[Slot]] = {}
    for left, right in links:
        after.setdefault(left, []).append(right)
        before.setdefault(right, []).append(left)
    centre: dict[Slot, float] = {}
    for column in columns:
        centre |= dict(zip(column, settled([0.0] * len(column), list(map(_room, column))), strict=True))
    for sweep in range(_SWEEPS):
        leftwards = sweep % 2 == 1
        near = after if leftwards else before
        for column in reversed(columns) if leftwards else columns:
            wanted = [
                sum(centre[n] for n in near[slot]) / len(near[slot]) if slot in near else centre[slot]
                for slot in column
            ]
            centre |= dict(zip(column, settled(wanted, list(map(_room, column))), strict=True))
    return centre


def _room(slot: Slot) -> float:
    return HEIGHT + _BETWEEN if isinstance(slot, str) else _STOP


def _page(families: Sequence[Layout], alone: Sequence[Layout]) -> Layout:
    """Families in rows, then, below them, the models without relatives in a grid."""
    blocks = [*families, *alone]
    area = sum((block.width + _MARGIN) * (block.height + _MARGIN) for block in blocks)
    widest = max([math.sqrt(area * _PROPORTION), *(block.width for block in blocks)], default=0.0)
    corners = _packed(families, widest, _MARGIN)
    foot = max((y + families[i].height + _MARGIN for i, (_, y) in corners.items()), default=0.0)
    cell = max((block.width for block in alone), default=0.0) + _BETWEEN
    across = max(1, int((widest + _BETWEEN) // cell))
    for i in range(len(alone)):
        row, place = divmod(i, across)
        corners[len(families) + i] = place * cell, foot + row * (HEIGHT + _BETWEEN)
    places: dict[Slot, Box] = {}
    spans: dict[Slot, tuple[float, float]] = {}
    ways: dict[tuple[str, str], tuple[Slot, ...]] = {}
    for i, (x, y) in corners.items():
        block = blocks[i]
        places |= {slot: Box(x + box.x, y + box.y, box.width, box.height) for slot, box in block.places.items()}
        spans |= {slot: (x + left, x + right) for slot, (left, right) in block.spans.items()}
        ways |= block.ways
    return Layout(
        max((corners[i][0] + block.width for i, block in enumerate(blocks)), default=0.0),
        max((corners[i][1] + block.height for i, block in enumerate(blocks)), default=0.0),
        places,
        spans,
        ways,
    )


def _packed(blocks: Sequence[Layout], widest: float, margin: float) -> dict[int, tuple[float, float]]:
    """The upper left corner of each block: rows as high as their first block, filled with stacks of smaller ones."""
    waiting = sorted(range(len(blocks)), key=lambda i: -blocks[i].height)
    corners: dict[int, tuple[float, float]] = {}
    top = 0.0
    while waiting:
        height, x = blocks[waiting[0]].height, 0.0
        while stack := _stacked(blocks, waiting, height, widest - x, margin):
            corners |= {i: (x, top + y) for i, y in stack}
            waiting = [i for i in waiting if i not in corners]
            x += max(blocks[i].width for i, _ in stack) + margin
        top += height + margin
    return corners


def _stacked(
    blocks: Sequence[Layout], waiting: Sequence[int], height: float, width: float, margin: float
) -> list[tuple[int, float]]:
    """The first of the `waiting` blocks that fit under each other into that room, each with its y."""
    stack: list[tuple[int, float]] = []
    y = 0.0
    for i in waiting:
        if blocks[i].width <= width and y + blocks[i].height <= height:
            stack.append((i, y))
            y += blocks[i].height + margin
    return stack
