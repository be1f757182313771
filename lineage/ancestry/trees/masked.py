"""The place of models that are known in disguise only, among relatives whose own order may be open.

Such a model hangs on the relative that is nearest to it. Whether it descends from that one or from what that one was
made of is seen by the neurons that it shares with both, but only once it is known which of two relatives was made of
the other: each possible root of the others' tree gives a place, with the probability of that root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from lineage.ancestry.links import Lines, joined, outward
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.rooting import root_odds
from lineage.ancestry.trees.triples import IsSibling, raised

_OPPOSED = 0.05  # odds of two opposed children of one parent, as `lineage.ancestry.trees.rooting` has it
_LIKELY = 0.5
_UNLIKELY = 0.02  # probability of a root that is not asked


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
    found = [
        (directed, _place(model, near, directed, field, merged, fixed, siblings(directed)), odds)
        for directed, odds in _directed(others, near, field, merged, begun)
    ]
    known = {parent for _, parent, _ in found}
    beside = _beside(others)
    weighed = []
    for directed, parent, odds in found:
        above = directed[parent].parent if parent in directed else None
        trained = [one for one in beside[parent] if one != above and one not in field.rounded]
        held = [(one, field.held_by_neurons(model, one, parent)) for one in trained]
        if any(share is not None and share.is_opposed for _, share in held):
            odds *= _OPPOSED  # children of one parent seldom move in opposed directions
        for one, share in held:
            # A place that another root gives lies beyond a line, of whose length the model holds the rest.
            if one in known and share is not None and share.is_clear:
                odds *= share.between_siblings
        # Models of which many are made are likelier to be taken again: of two with the same neurons, the one with kin.
        weighed.append((parent, odds * max(1, len(beside[parent]))))
    return weighed


def _place(
    model: int,
    near: int,
    tree: Tree,
    field: Field,
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> int:
    """The parent of a model in a directed tree: first up from `near`, then down along movements that it holds."""
    parent = raised(model, {**tree, model: Arc(near, model, 0.0)}, merged, fixed, is_sibling).parent
    below = Lines((arc.parent, arc.child) for arc in tree.values())
    left = {near}
    while True:
        children = [one for one in below.after(parent) if one not in left | fixed] if parent in below else []
        shares = [(one, field.held_by_neurons(model, one, parent)) for one in children]
        held = [(share.odds, -one) for one, share in shares if share is not None and share.is_clear]
        held = [one for one in held if one[0] > _LIKELY]
        if not held:
            return parent
        left |= {parent}
        parent = -max(held)[1]


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
