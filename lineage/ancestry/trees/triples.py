"""Decisions on three models: a chain of two steps, or two children of one parent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lineage.ancestry.trees.arcs import Arc, partial_correlation

# From the calibration half of the trained zoo (72 chains, 124 pairs of siblings): what siblings trained on similar data
# share beyond their parent reaches 0.55, and what a child shares with its parent's own movement falls to 0.27. But a
# child keeps 0.8 to 1.15 times that movement, siblings any multiple.
_LEAST_SHARED = 0.25
_SLACK = 0.15
_SLACK_PER_SHARED = 0.2
_TOO_FAINT = 0.06
# From the calibration half of the practice zoo: 79 of 85 children hold 0.65 to 1.33 of the movement; so do 40 of 310
# siblings that lie as near to the other as to their parent (they may hold any share, most of them none).
_ABOUT_WHOLE = 0.35
_SPREADS = 2.5
_ERRORS = 3.0

IsSibling = Callable[[int, int, int], bool]


def holds_movement(share: float, error: float) -> bool:
    """Whether a model holds another's movement from their common ancestor, as its children do.

    `share` is that of the other's movement in the model's own, by least squares, `error` its standard error. A child
    keeps what its parent learned, plus or minus what it learns further or unlearns in that direction; a sibling trained
    on similar data has moved in that direction too, but by any amount. A share that does not differ significantly from
    0 is not accepted: a near copy of the ancestor could have the same share.
    """
    return abs(share - 1.0) <= math.hypot(_ABOUT_WHOLE, _SPREADS * error) and share > _ERRORS * error


def is_chain(with_parent: float, with_grandparent: float, step: float) -> bool:
    """Whether a model is a child of `parent` rather than of the parent's own parent, by its correlations with both.

    `step` is the correlation of parent and grandparent. In a chain, the child is a multiple of the parent plus new
    movement: in a regression on both, the grandparent's coefficient is 0. A sibling trained on similar data is nearer
    to the supposed parent than to the grandparent too, but does not hold the whole of the parent's own movement.
    """
    shared = partial_correlation(with_parent, with_grandparent, step)
    if with_grandparent < _TOO_FAINT:
        return True
    if shared < _LEAST_SHARED:
        return False
    own, inherited = with_parent - with_grandparent * step, with_grandparent - with_parent * step
    return abs(inherited) <= (_SLACK + _SLACK_PER_SHARED * shared) * abs(own + inherited)


def lifted(
    tree: Mapping[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> dict[int, Arc]:
    """The tree with every child that is a sibling of its supposed parent moved one or more steps higher.

    `merged` gives the parents of merges. `fixed` nodes (initialisations, computed copies) are neither moved nor become
    new parents; children are moved past them. `is_sibling(child, parent, grandparent)` decides whether a child descends
    from the grandparent instead. Children follow their ancestors, so that what is asked about is an ancestor that has
    its own place already, whatever the numbers of the nodes.
    """
    found = dict(tree)
    for child in sorted(tree, key=lambda node: (len(above(node, tree, merged)), node)):
        if child not in fixed:
            _raise(child, found, merged, fixed, is_sibling)
    return found


def raised(
    child: int,
    tree: Mapping[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> Arc:
    """The arc into one child of a tree, as `lifted` moves it."""
    found = dict(tree)
    _raise(child, found, merged, fixed, is_sibling)
    return found[child]


def _raise(
    child: int,
    tree: dict[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> None:
    seen = {child}
    while True:
        arc = tree[child]
        above = _next_above(arc.parent, tree, merged, fixed)
        higher = [a for a in above if a not in seen and not _is_below(a, child, tree, merged)]
        better = next((a for a in higher if is_sibling(child, arc.parent, a)), None)
        if better is None:
            better = _beside_merge(child, tree, merged, fixed, is_sibling)
        if better is None:
            return
        seen.add(arc.parent)
        tree[child] = Arc(better, child, arc.cost)


def _beside_merge(
    child: int,
    tree: Mapping[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> int | None:
    """The common ancestor of the parents of the merge above a node, if the node descends from it instead; else None.

    Every descendant of a merge holds the movement to it. A model trained on similar data as a child of the merge holds
    that child's movement, and little of the merge's.
    """
    merge = next((node for node in above(child, tree, {}) if node in merged), None)
    if merge is None:
        return None
    lines = [[parent, *above(parent, tree, merged)] for parent in merged[merge]]
    common = [node for node in lines[0] if all(node in line for line in lines[1:])]
    origin = next((node for node in common if node not in fixed), None)
    if origin is None or not is_sibling(child, merge, origin) or _is_below(origin, child, tree, merged):
        return None
    return origin


def _next_above(
    node: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]], fixed: frozenset[int]
) -> list[int]:
    """Parents of a node; a single fixed parent is replaced by the nearest ancestor that is not fixed."""
    above = [tree[node].parent] if node in tree else list(merged.get(node, ()))
    while len(above) == 1 and above[0] in fixed:
        above = [tree[above[0]].parent] if above[0] in tree else []
    return [a for a in above if a not in fixed]


def above(node: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]]) -> list[int]:
    """All ancestors of a node, through merges too, the nearest first."""
    found: dict[int, None] = {}
    waiting = [node]
    for here in waiting:  # grows during the loop
        beyond = [tree[here].parent] if here in tree else merged.get(here, ())
        waiting += [one for one in beyond if one not in found and one != node]
        found |= dict.fromkeys(beyond)
    return list(found)


def _is_below(node: int, ancestor: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]]) -> bool:
    """Whether `node` descends from `ancestor`, through merges too."""
    return node == ancestor or ancestor in above(node, tree, merged)
