"""Where a tree is rooted, and so which way all of its edges point: a posterior over its nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import networkx as nx

from lineage.ancestry.pairwise.direction import leaning
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.field import Field
from lineage.ancestry.trees.prices import Tree

_TURNED = {"child": "parent", "parent": "child"}


def directions(tree: Tree, field: Field, merged: Mapping[int, Sequence[int]]) -> dict[tuple[int, int], float]:
    """Probability of each arc (parent, child) of a tree that it points this way.

    An undirected tree of n nodes has n rootings only, and each directs all of its edges. Under growth by one model at
    a time, each hung on any that is there, a root is as likely as there are orders in which the tree can have grown
    from it: n! / product of the sizes of all subtrees (Shah and Zaman 2011). What was computed from its parent excludes
    the roots on its side, cues are likelihood ratios on roots; an initialisation and a merge are where a tree begins.
    """
    joined: nx.Graph[int] = nx.Graph((a.parent, a.child) for a in tree.values() if _is_descent(a, field))
    found: dict[tuple[int, int], float] = {}
    for nodes in nx.connected_components(joined):
        weights = _posterior(joined.subgraph(nodes), field, merged)
        for child in (node for node in nodes & tree.keys() if joined.has_edge(node, tree[node].parent)):
            below = _side(joined, child, tree[child].parent)
            found[tree[child].parent, child] = 1.0 - sum(weights[node] for node in below)
    return found


def is_branching(node: int, tree: Tree, field: Field) -> bool:
    """Whether a model lies between two of its neighbours, so that it is the parent of one of them at least.

    Two children of a parent that is not here lie off each other's way to a third by what they moved since. A computed
    copy lies off by a rounding that is nobody's, so that it tells nothing.
    """
    near = [child for child, arc in tree.items() if arc.parent == node]
    near += [tree[node].parent] if node in tree else []
    trained = [one for one in near if one < len(field.sketches) and not _is_computed(one, node, field)]
    return any(field.is_between(node, *pair, about=node in tree) for pair in combinations(trained, 2))


def _posterior(tree: nx.Graph[int], field: Field, merged: Mapping[int, Sequence[int]]) -> dict[int, float]:
    """Probability of each node to be the root."""
    fixed = [node for node in tree if node in field.first or node in merged or node in field.missing]
    if fixed:
        first = min(fixed, key=lambda node: (node not in field.first, node not in merged, node))
        return {node: float(node == first) for node in tree}
    start = min(tree)
    order = list(nx.dfs_preorder_nodes(tree, start))
    above = {child: parent for parent, child in nx.dfs_edges(tree, start)}
    size = dict.fromkeys(tree, 1)
    odds: dict[int, float] = {}
    for node in reversed(order[1:]):
        size[above[node]] += size[node]
        odds[node] = _log_odds(node, above[node], field)
    weight = {start: 0.0}
    for node in order[1:]:
        # The root moves over one edge: the subtree of one end grows to what the other leaves, and the edge turns.
        weight[node] = weight[above[node]] + math.log(size[node] / (len(tree) - size[node])) - odds[node]
    top = max(weight.values())
    raw = {node: math.exp(value - top) for node, value in weight.items()}
    total = sum(raw.values())
    return {node: value / total for node, value in raw.items()}


_CERTAIN = 60.0  # log-odds of what can be computed one way only


def _log_odds(child: int, parent: int, field: Field) -> float:
    """Log-odds that the edge points from parent to child rather than back, by what the two show."""
    if child in field.rounded or parent in field.rounded:
        return _CERTAIN if field.rounded.get(child) == parent else -_CERTAIN
    found, straight = field.pairs.either(child, parent)
    role = found.role if straight else _TURNED.get(found.role or "", found.role)
    if role in ("child", "parent"):
        return _CERTAIN if role == "child" else -_CERTAIN
    return leaning(found.cues) * (1.0 if straight else -1.0)


def _is_descent(arc: Arc, field: Field) -> bool:
    """Whether an arc is more than an initialisation in common, which has no direction."""
    ends = (arc.parent, arc.child)
    if field.first & set(ends) or field.missing.keys() & set(ends):
        return True
    return field.pairs.either(arc.child, arc.parent)[0].relation not in ("shared-init", "inconclusive")


def _is_computed(one: int, other: int, field: Field) -> bool:
    return abs(_log_odds(one, other, field)) >= _CERTAIN


def _side(joined: nx.Graph[int], child: int, parent: int) -> set[int]:
    """The nodes that an edge parts from the parent."""
    waiting, seen = [child], {child, parent}
    while waiting:
        for node in joined[waiting.pop()]:
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen - {parent}
