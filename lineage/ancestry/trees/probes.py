"""Models of which only a head was trained (linear probes): their layers are those of the model they were made from.

Whatever was trained from that model lies as near to a probe. But whoever trains a model further keeps a head that fits:
a model whose head would have fitted others, none of which has it, is no parent if another with the same layers may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lineage.ancestry.links import joined
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.vectors import STORED, apart, learned_vectors

KEPT = 0.1  # -log r of a head that was trained further: 0.02 at most in two families, 0.3 and more of two for one task


def probes(field: Field, members: Sequence[int]) -> Mapping[int, frozenset[int]]:
    """The members that are probes, each with the models of equal layers that are not."""
    mixed = {member for trunk in field.trunks for member in trunk.members}
    laid = [member for member in members if member in mixed]
    equal = [(one, other) for k, one in enumerate(laid) for other in laid[k + 1 :] if _are_twins(one, other, field)]
    found: dict[int, frozenset[int]] = {}
    for twins in joined(equal):
        told = {one: _heads(one, [m for m in members if m not in twins], field) for one in twins}
        left = {one for one, (kept, replaced) in told.items() if replaced and not kept}
        found |= {one: frozenset(twins - left) for one in left if twins - left}
    return found


def _are_twins(one: int, other: int, field: Field) -> bool:
    if field.have_one_structure(one, other) or not field.have_equal_layers(one, other):
        return False
    return apart(*(learned_vectors(field.sketches[model]) for model in (one, other))) <= STORED


def _heads(one: int, others: Sequence[int], field: Field) -> tuple[int, int]:
    """How many models of its structure keep what a model has outside its layers, and how many have other matrices."""
    alike = [other for other in others if field.have_one_structure(one, other)]
    kept = sum(field.have_common_surroundings(one, other, KEPT) for other in alike)
    return kept, len(alike) - kept
