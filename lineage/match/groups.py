"""Tensors that share one relabelling of their units: their agreement is added up, then tested once."""

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
from lineage.match.units import Ready, both_ready
from lineage.sketch.family import MIN_UNITS
from lineage.types import TensorSketch

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
    models whose layers or experts are copies of one another, whose tests, one by one, would be one test counted often.
    """
    members: dict[Key, list[tuple[Ready, Ready]]] = defaultdict(list)
    for a, b, transposed in pairs:
        for axis in (0, 1):
            label = shared_label(a.part, b.part, axis, transposed)
            both = None if label is None else both_ready(a, axis, b, facing(axis, transposed))
            if label is not None and both is not None and len(both[0].index) >= MIN_UNITS:
                members[_unnumbered(label), len(both[0].index)].append(both)
    return {key: _added(found) for key, found in members.items()}


@lru_cache(maxsize=4096)
def _unnumbered(label: str) -> str:
    return re.sub(r"\d+", "#", label)


def joined(parts: Iterable[Mapping[Key, Group]]) -> dict[Key, Group]:
    """Groups of several components added up."""
    members: dict[Key, list[Group]] = defaultdict(list)
    for part in parts:
        for key, group in part.items():
            members[key].append(group)
    return {key: _sum(found) for key, found in members.items()}


def _added(members: Sequence[tuple[Ready, Ready]]) -> Group:
    left = np.concatenate([a.rows for a, _ in members], axis=1)
    right = np.concatenate([b.rows for _, b in members], axis=1)
    return Group(
        left @ right.T,
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
