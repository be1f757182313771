"""Which models descend from a merge and which only lie near it: arcs that a merge rules out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.triples import holds_movement

_BETWEEN = -0.2  # cosine of the movements to two parents, from a model between them; of two siblings: -0.16

_BLENDED = 0.5  # explained share of a movement: running means 0.8 and more, models tuned from a merge 0.06 and less


def beneath(field: Field, merge: int, parents: Sequence[int], models: Collection[int]) -> frozenset[int]:
    """The descendants of a merge among `models`: they hold its movement from each parent and lie between the parents.

    The base of the parents may hold this movement as well: seen from the mean of two, it lies at a right angle to the
    line that joins them. But from the base the parents moved independently, whereas from a model between them they lie
    in opposite directions.
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

    A model that does not descend from a merge cannot descend from one that does: it would hold the movement to the
    merge. And a model that differs from a merge along the directions of the merge's parents is another blend of these
    parents, such as the running mean of a run.
    """
    others = sorted({*models} - merged.keys())
    for merge, parents in merged.items():
        below = beneath(field, merge, [*parents], others)
        yield from ((one, other) for one in sorted(below) for other in others if other not in below)
        for model in others:
            if model not in parents and field.explained(model, merge, parents) > _BLENDED:
                yield merge, model
