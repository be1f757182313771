"""Tensors that share one relabelling of their units: their agreement is summed, then tested once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import facing, shared_label
from lineage.match.permutation import PermutationTest, standardised_trace
from lineage.match.units import Ready, facing_ready
from lineage.sketch.family import MIN_UNITS
from lineage.types import TensorSketch

_TOGETHER = 16  # members of a group in one product: they fit in the processor's cache

Key = tuple[str, int]
Sides = tuple[TensorSketch, TensorSketch, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Summed agreement of n units, float32 (n, n), doubly centred, and the units' squared norms on both sides (n,)."""

    agreement: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def test(self) -> PermutationTest | None:
        """The permutation test of the sum."""
        square = float(np.square(self.agreement).sum(dtype=np.float64))
        alike = float(np.sqrt(self.left * self.right).sum())
        return standardised_trace(float(np.trace(self.agreement)), square, alike, len(self.left))


def groups(pairs: Iterable[Sides]) -> dict[Key, Group]:
    """Groups of (query tensor, reference tensor, transposed) by label and number of units, from 32 units up.

    The numbers of layers and experts are taken out of the labels: the MLP units of all layers are relabelled
    together. That is one of the relabellings under which nothing changes, so the test stays exact, and it stays so for
    models whose layers or experts are copies of one another, whose tests, one by one, would be one test counted many
    times.
    """
    labelled = [
        (label, (a, axis, b, facing(axis, transposed)))
        for a, b, transposed in pairs
        for axis in (0, 1)
        if (label := shared_label(a.part, b.part, axis, transposed)) is not None
    ]
    members: dict[Key, list[tuple[Ready, Ready]]] = defaultdict(list)
    for (label, _), both in zip(labelled, facing_ready([sides for _, sides in labelled]), strict=True):
        if both is not None and len(both[0].positions) >= MIN_UNITS:
            members[_unnumbered(label), len(both[0].positions)].append(both)
    return {key: _added(found) for key, found in members.items()}


@lru_cache(maxsize=4096)
def _unnumbered(label: str) -> str:
    return re.sub(r"\d+", "#", label)


def joined(parts: Iterable[Mapping[Key, Group]]) -> dict[Key, Group]:
    """The groups of several components, summed."""
    members: dict[Key, list[Group]] = defaultdict(list)
    for part in parts:
        for key, group in part.items():
            members[key].append(group)
    return {key: _sum(found) for key, found in members.items()}


def _added(members: Sequence[tuple[Ready, Ready]]) -> Group:
    units = len(members[0][0].positions)
    agreement = np.zeros((units, units), np.float32)
    for start in range(0, len(members), _TOGETHER):
        some = members[start : start + _TOGETHER]
        left, right = (np.concatenate([both[side].rows for both in some], axis=1) for side in (0, 1))
        agreement += left @ right.T
    return Group(
        agreement,
        np.square([a.norms for a, _ in members]).sum(axis=0),
        np.square([b.norms for _, b in members]).sum(axis=0),
    )


def _sum(members: Sequence[Group]) -> Group:
    if len(members) == 1:
        return members[0]
    return Group(
        np.sum([m.agreement for m in members], axis=0),
        np.sum([m.left for m in members], axis=0),
        np.sum([m.right for m in members], axis=0),
    )
