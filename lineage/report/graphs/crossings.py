"""The order within each column: few crossings, by barycentres."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise

from lineage.report.graphs.layers import Layered, Slot

_SWEEPS = 12


def ordered(graph: Layered) -> tuple[tuple[Slot, ...], ...]:
    """The columns of `graph`, each in the order of the best of twelve barycentre sweeps (Sugiyama et al. 1981).

    The first order is that of a walk from each root, which has no crossings where the graph is a forest. A node
    without relatives in other columns stands beside its relative in its own.
    """
    before, after = _neighbours(graph)
    columns = _first(graph, before, after)
    best, fewest = columns, _crossings(columns, after)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        columns = _swept(columns, before if sweep % 2 == 0 else after, reverse=sweep % 2 == 1)
        crossings = _crossings(columns, after)
        if crossings < fewest:
            best, fewest = columns, crossings
    return _with_relatives(best, graph, before, after)


Neighbours = Mapping[Slot, Sequence[Slot]]
Columns = list[list[Slot]]


def _neighbours(graph: Layered) -> tuple[Neighbours, Neighbours]:
    before: dict[Slot, list[Slot]] = {}
    after: dict[Slot, list[Slot]] = {}
    for left, right in graph.links():
        after.setdefault(left, []).append(right)
        before.setdefault(right, []).append(left)
    return before, after


def _first(graph: Layered, before: Neighbours, after: Neighbours) -> Columns:
    """Slots in the order in which a walk from the roots, deep before wide, meets them."""
    column_of = {slot: i for i, column in enumerate(graph.columns) for slot in column}
    columns: Columns = [[] for _ in graph.columns]
    seen: set[Slot] = set()
    roots = [slot for column in graph.columns for slot in column if not before.get(slot)]
    stack = roots[::-1]
    while stack:
        slot = stack.pop()
        if slot in seen:
            continue
        seen.add(slot)
        columns[column_of[slot]].append(slot)
        stack.extend(reversed(after.get(slot, ())))
    return columns


def _swept(columns: Columns, neighbours: Neighbours, reverse: bool) -> Columns:
    """Sort each column in turn by the mean place of its neighbours in the column that was sorted before it."""
    sorted_columns = [list(column) for column in columns]
    for i in range(len(columns))[::-1] if reverse else range(len(columns)):
        column = sorted_columns[i]
        fixed = i + 1 if reverse else i - 1
        place = {slot: k for k, slot in enumerate(sorted_columns[fixed])} if 0 <= fixed < len(columns) else {}
        near = {slot: [place[n] for n in neighbours.get(slot, ()) if n in place] for slot in column}
        centre = {slot: sum(places) / len(places) for slot, places in near.items() if places}
        moving = iter(sorted((slot for slot in column if slot in centre), key=centre.__getitem__))
        sorted_columns[i] = [next(moving) if slot in centre else slot for slot in column]
    return sorted_columns


def _crossings(columns: Columns, after: Neighbours) -> int:
    """Pairs of links that cross between neighbouring columns: inversions among the places of their right ends."""
    total = 0
    for left, right in pairwise(columns):
        place = {slot: k for k, slot in enumerate(right)}
        passed: list[int] = []
        for slot in left:
            ends = sorted(place[end] for end in after.get(slot, ()) if end in place)
            total += sum(len(passed) - bisect(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _with_relatives(
    columns: Columns, graph: Layered, before: Neighbours, after: Neighbours
) -> tuple[tuple[Slot, ...], ...]:
    ties: dict[Slot, list[Slot]] = {}
    for left, right in graph.ways:
        ties.setdefault(left, []).append(right)
        ties.setdefault(right, []).append(left)
    arranged = []
    for column in columns:
        loose = [slot for slot in column if not before.get(slot) and not after.get(slot)]
        order = [slot for slot in column if before.get(slot) or after.get(slot)]
        for slot in loose:
            places = [order.index(tie) for tie in ties.get(slot, ()) if tie in order]
            order.insert(places[0] + 1 if places else len(order), slot)
        arranged.append(tuple(order))
    return tuple(arranged)
