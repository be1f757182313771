"""Three models at a time: a chain of two steps, or two children of one parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lineage.ancestry.trees.arcs import Arc, partial_correlation

# From the calibration half of the trained zoo (72 chains, 124 pairs of siblings): what siblings share beyond
# their parent because they were trained on like data reaches 0.55, what a child keeps of its parent's own movement
# falls to 0.27; but the child keeps that movement at its own length (0.8 to 1.15 of it), siblings at any length.
_LEAST_SHARED = 0.25
_SLACK = 0.15
_SLACK_PER_SHARED = 0.2
_TOO_FAINT = 0.06

Correlations = Callable[[int, int, int], tuple[float, float, float] | None]


def is_chain(with_parent: float, with_grandparent: float, step: float) -> bool:
    """Whether a child hangs on `parent` rather than on the parent's own parent, by its correlations with both.

    `step` is the correlation of parent and grandparent. In a chain the child is the parent times a factor and new
    movement: regressed on both, the grandparent's coefficient is 0. A sibling trained on like data lies nearer to
    the supposed parent than to the grandparent too, but not at the length of the parent's own movement.
    """
    shared = partial_correlation(with_parent, with_grandparent, step)
    if shared < _LEAST_SHARED:
        return False
    own, inherited = with_parent - with_grandparent * step, with_grandparent - with_parent * step
    return abs(inherited) <= (_SLACK + _SLACK_PER_SHARED * shared) * abs(own + inherited)


def lifted(
    tree: Mapping[int, Arc],
    merged: Mapping[int, Sequence[int]],
    fixed: frozenset[int],
    correlations: Correlations,
) -> dict[int, Arc]:
    """The tree with every child that is a sibling of its supposed parent hung one or more steps higher.

    `merged` gives the parents of merges, `fixed` nodes are neither moved nor moved to, but past (initialisations,
    computed copies). `correlations(child, parent, grandparent)` gives the arguments of `is_chain`, None where they say
    nothing.
    """
    found = dict(tree)
    for child in sorted(tree):
        seen = {child}
        while child not in fixed:
            arc = found[child]
            above = _next_above(arc.parent, found, merged, fixed)
            higher = [a for a in above if a not in seen and not _is_below(a, child, found, merged)]
            better = next((a for a in higher if _is_sibling(child, arc.parent, a, correlations)), None)
            if better is None:
                break
            seen.add(arc.parent)
            found[child] = Arc(better, child, arc.cost)
    return found


def _next_above(
    node: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]], fixed: frozenset[int]
) -> list[int]:
    """Parents of a node, a fixed one replaced by the next above it that is free."""
    above = [tree[node].parent] if node in tree else list(merged.get(node, ()))
    while len(above) == 1 and above[0] in fixed:
        above = [tree[above[0]].parent] if above[0] in tree else []
    return [a for a in above if a not in fixed]


def _is_sibling(child: int, parent: int, grandparent: int, correlations: Correlations) -> bool:
    found = correlations(child, parent, grandparent)
    return found is not None and found[1] >= _TOO_FAINT and not is_chain(*found)


def _is_below(node: int, ancestor: int, tree: Mapping[int, Arc], merged: Mapping[int, Sequence[int]]) -> bool:
    """Whether `node` descends from `ancestor`, through merges too."""
    waiting, seen = [node], set[int]()
    while waiting:
        here = waiting.pop()
        if here == ancestor:
            return True
        if here not in seen:
            seen.add(here)
            waiting += [tree[here].parent] if here in tree else merged.get(here, ())
    return False
