"""The cheapest rooted forest over arcs whose cost may differ by direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Level:
    """One round of contraction: the arcs left, the cheapest into each node, the node of the next round for each."""

    parent: Integers
    child: Integers
    name: Integers  # position of each arc among those of the first round
    best: Integers  # position in this round's arcs, by node
    merged: Integers
    in_cycle: NDArray[np.bool_]


def cheapest_forest(parents: Integers, children: Integers, costs: Points, roots: Points) -> list[int]:
    """Positions of the arcs of the cheapest forest: one arc into each node that is not a root.

    The sum of arc costs and root costs is minimal. `parents`, `children` and `costs` are (arcs,), over nodes 0..n-1;
    `roots` (n,) is the cost of each node as a root. Minimum arborescence by contraction (Chu and Liu 1965, Edmonds
    1967) from a virtual root. Ties go to the lower parent.
    """
    root = len(roots)
    worth = np.flatnonzero(costs < roots[children])
    chosen = _arborescence(
        np.append(parents[worth], np.full(root, root)),
        np.append(children[worth], np.arange(root)),
        np.append(costs[worth], roots),
        root,
    )
    return [int(worth[k]) for k in chosen if k < len(worth)]


def _arborescence(parent: Integers, child: Integers, cost: Points, root: int) -> list[int]:
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
    chosen = np.zeros(len(levels[0].name) if levels else len(name), np.bool_)
    chosen[name[best]] = True
    for level in reversed(levels):
        _open(level, chosen)
    return np.flatnonzero(chosen).tolist()


def _cheapest_into(parent: Integers, child: Integers, cost: Points, root: int) -> Integers:
    """The cheapest arc into each node; of several the one from the lowest parent, then the first."""
    least = np.full(root, np.inf)
    np.minimum.at(least, child, cost)
    tied = np.flatnonzero(cost == least[child])
    lowest = np.full(root, len(least) + 1)
    np.minimum.at(lowest, child[tied], parent[tied])
    chosen = tied[parent[tied] == lowest[child[tied]]][::-1]
    best = np.zeros(root, np.int64)
    best[child[chosen]] = chosen
    return best


def _cycles(above: Integers, root: int) -> Integers:
    """For each node, the lowest node of the cycle of `above` on which it lies; -1 for nodes on no cycle."""
    ahead, lowest = np.append(above, root), np.arange(root + 1)
    for _ in range(root.bit_length()):  # steps double each round: after n steps every node reached is on a cycle
        lowest = np.minimum(lowest, lowest[ahead])
        ahead = ahead[ahead]
    cycle = np.full(root + 1, -1)
    cycle[ahead] = lowest[ahead]
    return cycle[:root]


def _renumbered(cycle: Integers) -> Integers:
    """New numbers of all nodes: the members of a cycle share one, and the root, last, keeps the highest."""
    nodes = np.arange(len(cycle) + 1)
    stands_for = np.append(np.where(cycle >= 0, cycle, nodes[:-1]), nodes[-1])
    return np.asarray((np.cumsum(stands_for == nodes) - 1)[stands_for])


def _open(level: _Level, chosen: NDArray[np.bool_]) -> None:
    """Expand the contracted cycles: choose their arcs too, except into the node where a chosen arc enters the cycle."""
    inside = level.in_cycle.copy()
    inside[level.child[chosen[level.name]]] = False
    chosen[level.name[level.best[inside[:-1]]]] = True
