"""Experts compared with experts or with the MLP they were copied from, and the resulting map of experts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from lineage.match.block_similarity import Cells, cells
from lineage.match.blocks import EXPERT, Block, expert_of
from lineage.match.layers import Facing
from lineage.types import CheckpointSketch, ExpertMap, TensorMatch

NEAR = 1e-3
"""r within which two experts are equally near."""

_MLP = ("gate", "up", "gate-up", "down")
_RELATED_Z = 6.0  # one tensor alone: p < 2e-9
_RELATED_R = 0.5  # matrices too small for z

Places = Mapping[str, int]


def facing_experts(
    a: CheckpointSketch, b: CheckpointSketch, layers: Facing, threshold: float
) -> list[tuple[int, int, bool]]:
    """Places of corresponding MLP matrices of two layers, at least one a mixture, and whether values chose the pair.

    Every expert of the query corresponds to the reference's one MLP: no choice. Against several experts, that of the
    same number (the first for an MLP) is taken without a look at values, unless another one is plainly nearer and
    related: equal in content, or with a matrix whose z passes `threshold`.
    """
    left, right = layers.a, layers.b
    if right is None or not (left.experts or right.experts):
        return []
    mine, theirs = _blocks(left), _blocks(right)
    if not mine or not theirs:
        return []
    alike = cells(a, b, list(mine.values()), list(theirs.values()), threshold)
    numbers = list(theirs)
    pairs: list[tuple[int, int, bool]] = []
    for row, (number, places) in enumerate(mine.items()):
        usual = numbers.index(number) if number in theirs else 0
        column = _chosen(alike, row, usual)
        other = theirs[numbers[column]]
        pairs += [(places[role], other[role], column != usual) for role in places if role in other]
    return pairs


def expert_map(tensors: Iterable[TensorMatch]) -> ExpertMap | None:
    """Expert of the query -> expert of the reference or "mlp", over the related matrices; None without experts.

    Where the layers disagree (each had its experts put in an order of its own) the majority decides.
    """
    votes: dict[int, Counter[int | Literal["mlp"]]] = defaultdict(Counter)
    for held in tensors:
        related = (held.z or 0.0) > _RELATED_Z or (held.r or 0.0) > _RELATED_R
        if related and held.role.startswith(EXPERT):
            number, other = expert_of(held.a), expert_of(held.b)
            if number is not None:
                votes[number]["mlp" if other is None else other] += 1
    return tuple((number, votes[number].most_common(1)[0][0]) for number in sorted(votes)) or None


def _blocks(block: Block) -> dict[int, Places]:
    """The experts of a layer by number; the one MLP of a dense layer as number 0."""
    if block.experts:
        return dict(sorted(block.experts.items()))
    mlp = {role: place for role in _MLP if (place := block.roles.get((role, "2", "0"))) is not None}
    return {0: mlp} if mlp else {}


def _chosen(alike: Cells, row: int, usual: int) -> int:
    score = np.where(alike.related[row], alike.score[row], -np.inf)
    best = int(score.argmax())
    return best if score[best] > max(alike.score[row, usual], 0.0) + NEAR else usual
