"""The cheapest rooted forest through arcs that may cost differently each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Arc:
    """A possible descent: `cost` grows with the distance and with what speaks against this direction."""

    parent: int
    child: int
    cost: float


@dataclass(frozen=True, slots=True)
class _Level:
    """One round of contraction: the arcs left, the cheapest into each node, the node of the next round for each."""

    parent: Integers
    child: Integers
    name: Integers  # position of each arc among those of the first round
    best: Integers  # position in this round's arcs, by node
    merged: Integers
    in_cycle: NDArray[np.bool_]


def cheapest_forest(arcs: Sequence[Arc], root_costs: Mapping[int, float]) -> dict[int, Arc]:
    """For each node that is no root its arc, so that the sum of all costs and root costs is least.

    Minimum arborescence by contraction (Chu and Liu 1965, Edmonds 1967) from a virtual root, whose arc to a node costs
    what being a root does. All nodes must be in `root_costs`. Ties go to the lower parent.
    """
    nodes = sorted(root_costs)
    place = {node: i for i, node in enumerate(nodes)}
    root = len(nodes)
    worth = [arc for arc in arcs if arc.cost < root_costs[arc.child]]
    parent = np.array([*(place[arc.parent] for arc in worth), *[root] * root], np.int64)
    child = np.array([*(place[arc.child] for arc in worth), *range(root)], np.int64)
    cost = np.array([*(arc.cost for arc in worth), *(root_costs[node] for node in nodes)], np.float64)
    chosen = _arborescence(parent, child, cost, root)
    return {worth[k].child: worth[k] for k in chosen if k < len(worth)}


def _arborescence(parent: Integers, child: Integers, cost: NDArray[np.float64], root: int) -> list[int]:
    """Positions of the arcs of the cheapest arborescence, one into each node but `root` (the highest number)."""
    name = np.arange(len(parent))
    levels: list[_Level] = []
    while True:
        best = _cheapest_into(parent, child, cost, root)
        cycle = _cycles(parent[best], root)
        in_cycle = cycle >= 0
        if not in_cycle.any():
            break
        merged = _renumbered(cycle)
        levels.append(_Level(parent, child, name, best, merged, np.append(in_cycle, False)))
        # An arc into a cycle replaces the cycle's own arc into that node: it costs the difference.
        reduced = cost - np.where(in_cycle[np.minimum(child, root - 1)], cost[best[np.minimum(child, root - 1)]], 0.0)
        outside = merged[parent] != merged[child]
        parent, child = merged[parent][outside], merged[child][outside]
        cost, name, root = reduced[outside], name[outside], int(merged[-1])
    chosen = name[best].tolist()
    for level in reversed(levels):
        chosen = _opened(level, set(chosen))
    return sorted(chosen)


def _cheapest_into(parent: Integers, child: Integers, cost: NDArray[np.float64], root: int) -> Integers:
    order = np.lexsort((parent, cost, child))
    first = np.searchsorted(child[order], np.arange(root))
    return np.asarray(order[first])


def _cycles(above: Integers, root: int) -> Integers:
    """For each node a node that names the cycle on which it lies by following `above`, -1 off all cycles."""
    seen = np.full(root + 1, -1)
    seen[root] = root
    cycle = np.full(root, -1)
    for start in range(root):
        node = start
        while seen[node] < 0:
            seen[node] = start
            node = int(above[node])
        if node != root and seen[node] == start and cycle[node] < 0:
            number = node
            while cycle[node] < 0:
                cycle[node] = number
                node = int(above[node])
    return cycle


def _renumbered(cycle: Integers) -> Integers:
    """New numbers of all nodes, the members of a cycle under one; the root, last, keeps the highest."""
    nodes = np.arange(len(cycle))
    _, numbers = np.unique(np.append(np.where(cycle >= 0, cycle, nodes), len(cycle)), return_inverse=True)
    return np.asarray(numbers)


def _opened(level: _Level, chosen: set[int]) -> list[int]:
    """Put the arcs of the contracted cycles back, all but those into the nodes at which a chosen arc enters."""
    entered = {int(level.child[k]) for k in np.flatnonzero(np.isin(level.name, list(chosen)))}
    inside = np.flatnonzero(level.in_cycle[: len(level.best)])
    kept = [int(level.name[level.best[node]]) for node in inside if int(node) not in entered]
    return [*chosen, *kept]
