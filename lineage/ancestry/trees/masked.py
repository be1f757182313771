"""The place of models that are known in disguise only, among relatives whose own order may be open.

Such a model hangs on the relative that is nearest to it. Whether it descends from that one or from what that one was
made of is seen by the neurons that it shares with both, but only once it is known which of two relatives was made of
the other: each possible root of the others' tree gives a place, with the probability of that root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from lineage.ancestry.links import joined, outward
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.rooting import root_odds
from lineage.ancestry.trees.triples import IsSibling, raised

_UNLIKELY = 0.02  # probability of a root that is not asked

_OPPOSED = 0.05  # odds of two opposed children of one parent, as `lineage.ancestry.trees.rooting` has it

Places = Sequence[tuple[int, float]]
"""Parents of a model with the probability of what makes each its parent, 0..1; a parent may be there more than once."""


def masked(forest: Tree, field: Field, merged: Collection[int]) -> list[int]:
    """The models of a forest that hang on one relative, in disguise, without any undisguised kin."""
    alone = [(model, found[0]) for model, found in sorted(_beside(forest).items()) if len(found) == 1]
    return [model for model, other in alone if model not in merged and _is_masked(model, other, field)]


def _is_masked(model: int, other: int, field: Field) -> bool:
    if {model, other} & field.missing.keys() or field.kin[model] or not field.is_open([model, other]):
        return False
    return field.pairs.are_disguised(model, other) and field.pairs.certain_role(model, other) not in ("child", "parent")


def places(
    model: int,
    near: int,
    tree: Tree,
    field: Field,
    merged: Mapping[int, Sequence[int]],
    begun: Collection[tuple[int, int]],
    fixed: frozenset[int],
    siblings: Callable[[Tree], IsSibling],
) -> Places:
    """Where a model that lies next to `near` belongs, for each likely root of the tree of the others.

    `siblings` makes of a directed tree the test that `lifted` needs; `fixed` and `merged` are as there.
    """
    others = {child: arc for child, arc in tree.items() if model not in (child, arc.parent)}
    beside = _beside(others)
    found = []
    for directed, odds in _directed(others, near, field, merged, begun):
        parent = raised(model, {**directed, model: Arc(near, model, 0.0)}, merged, fixed, siblings(directed)).parent
        above = directed[parent].parent if parent in directed else None
        # Children of one parent seldom move in opposed directions.
        trained = [one for one in beside[parent] if one != above and one not in field.rounded]
        held = (field.held_by_neurons(model, one, parent) for one in trained)
        if any(one is not None and one.is_opposed for one in held):
            odds *= _OPPOSED
        # Models of which many are made are likelier to be taken again.
        found.append((parent, odds * max(1, len(beside[parent]))))
    return found


def _beside(tree: Tree) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for child, arc in tree.items():
        found[child].append(arc.parent)
        found[arc.parent].append(child)
    return found


def _directed(
    tree: Tree, near: int, field: Field, merged: Mapping[int, Sequence[int]], begun: Collection[tuple[int, int]]
) -> Iterator[tuple[Tree, float]]:
    """The tree, from each likely root of the part of it that holds a node, with the root's probability."""
    nodes = next((nodes for nodes in joined((a.parent, a.child) for a in tree.values()) if near in nodes), {near})
    lines = sorted(sorted((arc.parent, arc.child)) for arc in tree.values() if arc.child in nodes)
    if not lines or nodes & {*field.first, *merged, *field.missing} or not field.are_new(nodes):
        yield tree, 1.0
        return
    rest = {child: arc for child, arc in tree.items() if child not in nodes}
    odds = root_odds([(one, other) for one, other in lines], field, begun)
    for root in sorted(odds, key=lambda node: field.sketches[node].id):
        if odds[root] >= _UNLIKELY:
            outwards = outward(((one, other) for one, other in lines), root)
            yield rest | {child: Arc(parent, child, 0.0) for parent, child in outwards}, odds[root]


def likeliest(found: Places) -> int:
    """The likeliest parent."""
    odds: dict[int, float] = defaultdict(float)
    for parent, one in found:
        odds[parent] += one
    return max(sorted(odds), key=lambda parent: odds[parent])


def drawn(found: Places, at: float) -> int:
    """The parent at a place between 0 and 1 of the probability of all."""
    left = at * sum(odds for _, odds in found)
    for parent, odds in found:
        left -= odds
        if left <= 0.0:
            return parent
    return found[-1][0]
