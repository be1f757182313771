"""The dense models from which the experts of a mixture were copied, when there are several."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from lineage.match import EXPERT, expert_of
from lineage.types import CheckpointSketch


def expert_sources(
    child: CheckpointSketch, parents: Collection[int], dense: Mapping[int, CheckpointSketch]
) -> dict[int, tuple[int, ...]]:
    """Dense models other than `parents` that hold whole experts of the child exactly, with these experts' numbers.

    Greedy cover of the experts that no parent holds: each time the model that holds most of those left is the donor,
    on a tie the lowest number.
    """
    held = {number: _holders(digests, dense) for number, digests in _experts(child).items()}
    left = {number: holders for number, holders in held.items() if holders and not holders & set(parents)}
    found: dict[int, tuple[int, ...]] = {}
    while left:
        gifts = Counter(model for holders in left.values() for model in holders)
        giver = min(gifts, key=lambda model: (-gifts[model], model))
        found[giver] = tuple(sorted(number for number, holders in left.items() if giver in holders))
        left = {number: holders for number, holders in left.items() if giver not in holders}
    return found


def _experts(sketch: CheckpointSketch) -> Mapping[int, set[str]]:
    """Digests of the matrices of each expert, over all layers; empty without experts."""
    found: dict[int, set[str]] = defaultdict(set)
    for tensor in sketch.tensors:
        if tensor.part.role.startswith(EXPERT) and len(tensor.shape) > 1:
            number = expert_of(tensor.name)
            if number is not None:
                found[number].add(tensor.band_digest)
    return found


def _holders(digests: set[str], dense: Mapping[int, CheckpointSketch]) -> set[int]:
    return {i for i, model in dense.items() if digests <= {tensor.band_digest for tensor in model.tensors}}
