"""Inferred parents of several models that are not in the index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from lineage.ancestry.links import joined
from lineage.ancestry.trees.arcs import Arc, partial_correlation

# Children of one parent share what they learned from similar data: in the calibration half of the trained zoo, a
# partial correlation of at most 0.55 given the parent (0.28 given an initialisation). Children of a withheld model
# share more, given the withheld model's parent: 0.9 and more if they moved less than it had.
_MORE_THAN_LIKE_DATA = 0.7
_DIRECTLY = 0.1  # the highest partial correlation of a model with its grandparent, its parent held fixed, is 0.08

Correlation = Callable[[int, int], float | None]


@dataclass(frozen=True, slots=True)
class Unobserved:
    """A missing model: its parent, its children, and the least partial correlation of two children given `parent`."""

    parent: int
    children: tuple[int, ...]
    shared: float


def unobserved(tree: Mapping[int, Arc], closed: Collection[int], correlation: Correlation) -> list[Unobserved]:
    """Groups of children of one parent that share more than siblings do, none of which is the others' parent.

    `closed` models (exact copies, computed children) are skipped.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for child, arc in sorted(tree.items()):
        if child not in closed:
            children[arc.parent].append(child)
    found = []
    for parent, others in children.items():
        shared = {pair: s for pair in combinations(others, 2) if (s := _shared(parent, *pair, correlation)) is not None}
        for group in joined(shared):
            least = min(value for pair, value in shared.items() if pair[0] in group)
            found.append(Unobserved(parent, tuple(sorted(group)), least))
    return found


def _shared(parent: int, left: int, right: int, correlation: Correlation) -> float | None:
    between, one, other = correlation(left, right), correlation(left, parent), correlation(right, parent)
    if between is None or one is None or other is None:
        return None
    shared = partial_correlation(between, one, other)
    # In a chain, the later of the two is independent of the parent given the earlier one.
    direct = min(partial_correlation(one, between, other), partial_correlation(other, between, one))
    return shared if shared > _MORE_THAN_LIKE_DATA and direct > _DIRECTLY else None


def distance_to(model: int, missing: Unobserved, distance: Callable[[int, int], float | None]) -> float | None:
    """-log r between a model and a missing one, from the distances to its neighbours; None if these are unknown.

    Distances add up along the tree. The missing model lies on the path between any two of its neighbours; the model's
    distance to that path is half the excess of its distances to both over the distance between them (Farris 1972). The
    result is the median over all pairs of neighbours.
    """
    around: Sequence[int] = [n for n in (missing.parent, *missing.children) if n != model]
    off = []
    for one, other in combinations(around, 2):
        to_one, to_other, between = distance(model, one), distance(model, other), distance(one, other)
        if to_one is not None and to_other is not None and between is not None:
            off.append(max(0.0, (to_one + to_other - between) / 2))
    return median(off) if off else None
