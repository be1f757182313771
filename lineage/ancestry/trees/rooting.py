"""Where a tree most likely began to grow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from lineage.ancestry.links import joined, outward
from lineage.ancestry.pair.direction import leaning
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.graph_state import Field
from lineage.types import Direction

_CERTAIN = 60.0  # log-odds of what can be computed one way only
_BEGUN = 6.0  # that whoever merged differences took them to the model from which the others came
_PUT_TOGETHER = 2.0  # that a model with more components has those of the other, rather than gave them
_OPPOSED = 3.0  # that two which moved against each other are not both children, ln 80 at most: see `Field.opposed`
_BY_CHANCE = 0.2  # share of the other neighbours that one may move against by chance, as 1 in 190 does: of few not one
_CERTAINLY: Mapping[Direction | None, float] = {"child": _CERTAIN, "parent": -_CERTAIN}


def rerooted(
    tree: Mapping[int, Arc], field: Field, merged: Collection[int], begun: Collection[tuple[int, int]]
) -> dict[int, Arc]:
    """The same trees, each oriented from its likeliest root; those with a known beginning, or old ones, as they are.

    An undirected tree of n nodes can be rooted in n ways, each of which directs all its edges. Under growth by one
    model at a time, each hung on any that is there, a root is as likely as there are orders in which the tree can have
    grown from it: n! / product of the sizes of all subtrees (Shah and Zaman 2011). Cues of two ends are likelihood
    ratios on the roots of either side. This orients a tree for what has to be looked at from its root; it proves no
    direction. Every arc must have been compared. Merges (`merged`) are where a tree begins, and `begun` are pairs of a
    base and what was trained from it.
    """
    found: dict[int, Arc] = {}
    for nodes in joined((arc.parent, arc.child) for arc in tree.values()):
        arcs = {child: tree[child] for child in sorted(nodes & tree.keys())}
        known = nodes & (field.first | {*merged} | field.missing.keys())
        found |= arcs if known or not field.are_new(nodes) else dict(_oriented(nodes, arcs, field, begun))
    return found


def _oriented(
    nodes: Collection[int], arcs: Mapping[int, Arc], field: Field, begun: Collection[tuple[int, int]]
) -> Iterator[tuple[int, Arc]]:
    lines = sorted((min(arc.parent, arc.child), max(arc.parent, arc.child)) for arc in arcs.values())
    costs = {frozenset((arc.parent, arc.child)): arc.cost for arc in arcs.values()}
    weights = _log_weights(outward(lines, min(nodes)), field, begun)
    root = max(sorted(weights), key=lambda node: weights[node])
    for parent, child in outward(lines, root):
        yield child, Arc(parent, child, costs[frozenset((parent, child))])


def _log_weights(
    lines: Sequence[tuple[int, int]], field: Field, begun: Collection[tuple[int, int]]
) -> dict[int, float]:
    """Logarithm of the weight of each node as the root; `lines` lead outward from one of them."""
    above = {node: nearer for nearer, node in lines}
    size = dict.fromkeys([lines[0][0], *above], 1)
    for nearer, node in reversed(lines):
        size[nearer] += size[node]
    weight = {lines[0][0]: 0.0}
    opposed = {node: Opposed(field, node, around) for node, around in _around(lines).items()}
    for node, nearer in above.items():
        # The root moves over one edge: the subtree of one end grows to what the other leaves, and the edge turns.
        orders = math.log(size[node] / (len(size) - size[node]))
        odds = _log_odds(node, nearer, field)
        here, there = opposed[node], opposed[nearer]
        odds += here.against(None) + there.against(node) - here.against(nearer) - there.against(None)
        weight[node] = weight[nearer] + orders - odds
    for node in _late(begun, lines):
        weight[node] -= _BEGUN
    return weight


def _late(begun: Collection[tuple[int, int]], lines: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Nodes that would have to come before a base from which they are parted by what was trained from it.

    A node comes once for each base: that all differences were taken to the wrong model is one mistake.
    """
    trained: dict[int, set[int]] = defaultdict(set)
    for base, one in begun:
        trained[base].add(one)
    nodes = {node for line in lines for node in line}
    for base in sorted(trained.keys() & nodes):
        for side in joined((line for line in lines if base not in line), sorted(nodes - {base})):
            if side & trained[base]:
                yield from side


def _around(lines: Iterable[tuple[int, int]]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for one, other in lines:
        found[one].append(other)
        found[other].append(one)
    return found


class Opposed:
    """What the neighbours of a node in a tree say of which of them is its parent.

    What was trained on from a model goes on or elsewhere; it seldom goes back on the way from the model's parent. Of
    two neighbours that moved against each other one is the parent: of many it is the one that several say it of.
    """

    def __init__(self, field: Field, node: int, around: Sequence[int]) -> None:
        self._around = [one for one in around if not may_have_begun_together(field, node, one)]
        self._pairs = field.opposed(node, self._around)

    def against(self, parent: int | None) -> float:
        """The log-odds against a parent, None for a root."""
        others = np.array([one != parent for one in self._around], bool)
        said = self._pairs[np.ix_(others, others)].sum(axis=1)
        return _OPPOSED if (said > _BY_CHANCE * (len(self._around) - 1)).any() else 0.0


def may_have_begun_together(field: Field, left: int, right: int) -> bool:
    """Whether two models that were compared may have nothing in common but an initialisation."""
    missing = {left, right} & field.missing.keys()
    return not missing and field.pairs.either(left, right)[0].relation in ("shared-init", "inconclusive")


def _log_odds(child: int, parent: int, field: Field) -> float:
    """Log-odds that an edge points from parent to child rather than back, by what the two show."""
    if child in field.rounded or parent in field.rounded:
        holds = field.rounded.get(child) == parent or child in field.heirs(parent)
        return _CERTAIN if holds else -_CERTAIN
    found, straight = field.pairs.either(child, parent)
    sign = 1.0 if straight else -1.0
    if found.role in _CERTAINLY:
        return sign * _CERTAINLY[found.role]
    ours, theirs = field.pairs.components(child), field.pairs.components(parent)
    parts = _PUT_TOGETHER * ((theirs < ours) - (ours < theirs))
    return sign * leaning(found.cues) + parts
