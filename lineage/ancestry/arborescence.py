"""The cheapest rooted forest through arcs that may cost differently each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

_ROOT = -1


@dataclass(frozen=True, slots=True)
class Arc:
    """A possible descent: `cost` grows with the distance and with what speaks against this direction."""

    parent: int
    child: int
    cost: float


def cheapest_forest(arcs: Sequence[Arc], root_costs: Mapping[int, float]) -> dict[int, Arc]:
    """For each node that is no root its arc, so that the sum of all costs and root costs is least.

    Edmonds' minimum arborescence (1967) from a virtual root, whose arc to a node costs what being a root does. All
    nodes must be in `root_costs`. Where the cheapest arcs into the nodes form no cycle, they are the answer already.
    """
    best: dict[int, Arc] = {}
    for arc in arcs:
        if arc.cost < root_costs[arc.child] and (arc.child not in best or _order(arc) < _order(best[arc.child])):
            best[arc.child] = arc
    picked: nx.DiGraph[int] = nx.DiGraph((arc.parent, arc.child) for arc in best.values())
    tangled = {node for part in nx.strongly_connected_components(picked) if len(part) > 1 for node in part}
    if not tangled:
        return best
    joined: nx.Graph[int] = nx.Graph((arc.parent, arc.child) for arc in arcs)
    for part in nx.connected_components(joined):
        if part & tangled:
            solved = _edmonds([arc for arc in arcs if arc.child in part], {n: root_costs[n] for n in part})
            best = {child: arc for child, arc in best.items() if child not in part} | solved
    return best


def _edmonds(arcs: Sequence[Arc], root_costs: Mapping[int, float]) -> dict[int, Arc]:
    graph: nx.DiGraph[int] = nx.DiGraph()
    for node, cost in sorted(root_costs.items()):
        graph.add_edge(_ROOT, node, weight=cost, arc=None)
    for arc in sorted(arcs, key=_order, reverse=True):  # of parallel arcs the cheapest is set last
        graph.add_edge(arc.parent, arc.child, weight=arc.cost, arc=arc)
    tree = nx.minimum_spanning_arborescence(graph)
    return {child: graph.edges[parent, child]["arc"] for parent, child in tree.edges if parent != _ROOT}


def _order(arc: Arc) -> tuple[float, int, int]:
    return arc.cost, arc.parent, arc.child
