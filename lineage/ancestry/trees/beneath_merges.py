"""What plainly descends from a merge, and what only lies near: arcs that no tree can have beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.triples import holds_movement

_BETWEEN = -0.2  # cosine of two parents' movements from what lies between them: of two siblings from their parent -0.16

_BLENDED = 0.5  # share of a way: 0.8 and more of running means, 0.06 and less of what was tuned from a merge


def beneath(field: Field, merge: int, parents: Sequence[int], models: Collection[int]) -> frozenset[int]:
    """Those of `models` that hold the way to a merge from each of its parents, and lie between these.

    The base of the parents may hold the way as well: from a mean of two it lies at a right angle to the line that joins
    them. But they moved away from it, each its own way, and from what lies between them they moved against each other.
    """
    found = []
    for child in models:
        if child in parents or not (field.cosines(child, parents) < _BETWEEN).any():
            continue
        held = [field.held_movement(child, merge, parent) for parent in parents]
        if all(one is not None and holds_movement(*one) for one in held):
            found.append(child)
    return frozenset(found)


def impossible_arcs(
    field: Field, merged: Mapping[int, Sequence[int]], models: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Arcs (parent, child) that merges rule out.

    What does not descend from a merge cannot come from what does: it would hold the way to the merge. And what lies off
    a merge the way that the merge's parents lie is another blend of these, as the running mean of a run is.
    """
    others = sorted({*models} - merged.keys())
    for merge, parents in merged.items():
        below = beneath(field, merge, [*parents], others)
        yield from ((one, other) for one in sorted(below) for other in others if other not in below)
        for model in others:
            if model not in parents and field.explained(model, merge, parents) > _BLENDED:
                yield merge, model
