"""The likeliest root of a tree."""

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

_CERTAIN = 60.0  # log-odds of the direction in which one model can be computed from the other
_BEGUN = 6.0  # log-odds that the base of merged differences is the base of the models that were merged
_PUT_TOGETHER = 2.0  # log-odds that a model with more components received them from the other, not the reverse
OPPOSED = 3.0  # log-odds that two opposed neighbours are not both children, at most ln 80: see `Field.opposed`
_BY_CHANCE = 0.2  # share of the other neighbours that one may oppose by chance (1 in 190 does); none if they are few
_CERTAINLY: Mapping[Direction | None, float] = {Direction.CHILD: _CERTAIN, Direction.PARENT: -_CERTAIN}


def rerooted(
    tree: Mapping[int, Arc], field: Field, merged: Collection[int], begun: Collection[tuple[int, int]]
) -> dict[int, Arc]:
    """The same trees, each oriented from its likeliest root; a tree with a known root or placed models is unchanged.

    An undirected tree of n nodes can be rooted in n ways, each of which directs all its edges. If the tree grew by one
    model at a time, each attached to any earlier one, the likelihood of a root is proportional to the number of orders
    in which the tree can have grown from it: n! / product of the sizes of all subtrees (Shah and Zaman 2011). The cues
    of an edge are likelihood ratios between the roots on its two sides. The orientation serves the later steps, which
    need a root; it proves no direction. Every arc must have been compared. Initialisations, merges (`merged`) and
    unobserved parents are known roots; `begun` are pairs of a base and a model trained from it.
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
    opposed = {node: Opposed(field, node, others) for node, others in around(lines).items()}
    for node, nearer in above.items():
        # The root moves over one edge: this edge is reversed and the subtree sizes of its two ends change.
        orders = math.log(size[node] / (len(size) - size[node]))
        odds = _log_odds(node, nearer, field)
        here, there = opposed[node], opposed[nearer]
        odds += here.against(None) + there.against(node) - here.against(nearer) - there.against(None)
        weight[node] = weight[nearer] + orders - odds
    for node in _late(begun, lines):
        weight[node] -= _BEGUN
    return weight


def root_odds(lines: Sequence[tuple[int, int]], field: Field, begun: Collection[tuple[int, int]]) -> dict[int, float]:
    """The probability of each node of an undirected tree to be its root (see `rerooted`)."""
    weights = _log_weights(outward(lines, min(min(line) for line in lines)), field, begun)
    most = max(weights.values())
    odds = {node: math.exp(weight - most) for node, weight in sorted(weights.items())}
    total = sum(odds.values())
    return {node: one / total for node, one in odds.items()}


def _late(begun: Collection[tuple[int, int]], lines: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Nodes on the same side of a base as a model trained from it: as the root, they would make that model older.

    A node is listed once for each base: differences taken to a wrong base are one mistake, however many there are.
    """
    trained: dict[int, set[int]] = defaultdict(set)
    for base, one in begun:
        trained[base].add(one)
    nodes = {node for line in lines for node in line}
    for base in sorted(trained.keys() & nodes):
        for side in joined((line for line in lines if base not in line), sorted(nodes - {base})):
            if side & trained[base]:
                yield from side


def around(lines: Iterable[tuple[int, int]]) -> Mapping[int, list[int]]:
    """The nodes to which lines join each node, in the order of the lines."""
    found: dict[int, list[int]] = defaultdict(list)
    for one, other in lines:
        found[one].append(other)
        found[other].append(one)
    return found


class Opposed:
    """Evidence from the neighbours of a node in a tree on which of them is its parent.

    Training from a model seldom reverses the movement from the model's parent. So of two neighbours that moved in
    opposed directions one is the parent; among many neighbours, it is the one that several oppose.
    """

    def __init__(self, field: Field, node: int, around: Sequence[int]) -> None:
        self._around = [one for one in around if not may_have_begun_together(field, node, one)]
        self._pairs = field.opposed(node, self._around)
        self._counts = self._pairs.sum(axis=1)  # how many each opposes

    def against(self, parent: int | None) -> float:
        """The log-odds against `parent` as the parent of the node; None asks about the node as the root."""
        counts = self._counts
        if parent in self._around:
            place = self._around.index(parent)
            counts = np.delete(counts - self._pairs[:, place], place)
        return OPPOSED if (counts > _BY_CHANCE * (len(self._around) - 1)).any() else 0.0


def may_have_begun_together(field: Field, left: int, right: int) -> bool:
    """Whether two models that were compared may have nothing in common but an initialisation."""
    missing = {left, right} & field.missing.keys()
    return not missing and field.pairs.either(left, right)[0].relation.is_beginning


def _log_odds(child: int, parent: int, field: Field) -> float:
    """Log-odds that an edge points from parent to child rather than back, by the comparison of the two.

    0 for an unobserved parent, with which nothing can be compared.
    """
    if {child, parent} & field.missing.keys():
        return 0.0
    if child in field.rounded or parent in field.rounded:
        holds = field.rounded.get(child) == parent or child in field.heirs(parent)
        return _CERTAIN if holds else -_CERTAIN
    found, straight = field.pairs.either(child, parent)
    sign = 1.0 if straight else -1.0
    if found.direction in _CERTAINLY:
        return sign * _CERTAINLY[found.direction]
    ours, theirs = field.pairs.components(child), field.pairs.components(parent)
    parts = _PUT_TOGETHER * ((theirs < ours) - (ours < theirs))
    return sign * leaning(found.cues) + parts
