"""Three models at a time: a chain of two steps, or two children of one parent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lineage.ancestry.trees.arcs import Arc, partial_correlation

# From the calibration half of the trained zoo (72 chains, 124 pairs of siblings): what siblings share beyond
# their parent because they were trained on like data reaches 0.55, what a child keeps of its parent's own movement
# falls to 0.27; but the child keeps that movement at its own length (0.8 to 1.15 of it), siblings at any length.
_LEAST_SHARED = 0.25
_SLACK = 0.15
_SLACK_PER_SHARED = 0.2
_TOO_FAINT = 0.06
# From the calibration half of the practice zoo: of 85 children 79 hold 0.65 to 1.33 of the movement, of 310 siblings
# that lie as near to the other as to their parent 40 do (any share, most of them none).
_ABOUT_WHOLE = 0.35
_SPREADS = 2.5
_ERRORS = 3.0

IsSibling = Callable[[int, int, int], bool]


def holds_movement(share: float, error: float) -> bool:
    """Whether a model holds another's movement from their common ancestor, as its children do.

    `share` is that of the movement in the model's own, by least squares, `error` its standard error. A child keeps what
    its parent had learned, give or take what it goes on to learn on the same road or takes back; a sibling trained on
    like data has moved that way too, but any distance. What is known too roughly to tell it from none of the
    movement tells nothing: where the two lie as near, a near copy of the ancestor is as good as it, and a later one.
    """
    return abs(share - 1.0) <= math.hypot(_ABOUT_WHOLE, _SPREADS * error) and share > _ERRORS * error


def is_chain(with_parent: float, with_grandparent: float, step: float) -> bool:
    """Whether a child hangs on `parent` rather than on the parent's own parent, by its correlations with both.

    `step` is the correlation of parent and grandparent. In a chain the child is the parent times a factor and new
    movement: regressed on both, the grandparent's coefficient is 0. A sibling trained on like data lies nearer to
    the supposed parent than to the grandparent too, but not at the length of the parent's own movement.
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
    """The tree with every child that is a sibling of its supposed parent hung one or more steps higher.

    `merged` gives the parents of merges, `fixed` nodes are neither moved nor moved to, but past (initialisations,
    computed copies). `is_sibling(child, parent, grandparent)` says whether a child hangs on the grandparent instead.
    """
    found = dict(tree)
    for child in sorted(tree):
        seen = {child}
        while child not in fixed:
            arc = found[child]
            above = _next_above(arc.parent, found, merged, fixed)
            higher = [a for a in above if a not in seen and not _is_below(a, child, found, merged)]
            better = next((a for a in higher if is_sibling(child, arc.parent, a)), None)
            if better is None:
                better = _beside_merge(child, found, merged, fixed, is_sibling)
            if better is None:
                break
            seen.add(arc.parent)
            found[child] = Arc(better, child, arc.cost)
    return found


def _beside_merge(
    child: int,
    tree: Mapping[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    is_sibling: IsSibling,
) -> int | None:
    """What the parents of the merge above a node have in common, where the node hangs on that instead; else None.

    What descends from a merge, by however many steps, holds the movement to it. What was trained on like data as a
    child of the merge holds that child's movement, and little of the merge's.
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
    """Parents of a node, a fixed one replaced by the next above it that is free."""
    above = [tree[node].parent] if node in tree else list(merged.get(node, ()))
    while len(above) == 1 and above[0] in fixed:
        above = [tree[above[0]].parent] if above[0] in tree else []
    return [a for a in above if a not in fixed]


def above(node: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]]) -> list[int]:
    """All ancestors of a node, through merges too, the nearest first."""
    found: dict[int, None] = {}
    waiting = [node]
    for here in waiting:  # grows as it is read
        beyond = [tree[here].parent] if here in tree else merged.get(here, ())
        waiting += [one for one in beyond if one not in found and one != node]
        found |= dict.fromkeys(beyond)
    return list(found)


def _is_below(node: int, ancestor: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]]) -> bool:
    """Whether `node` descends from `ancestor`, through merges too."""
    return node == ancestor or ancestor in above(node, tree, merged)
