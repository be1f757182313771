"""Where a model in disguise belongs that moved along with relatives that were trained apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.masked import Masked, likeliest
from lineage.ancestry.trees.neurons_movement import Held

ROOT, ONE, OTHER, MODEL = range(4)
TREE = {ONE: Arc(ROOT, ONE, 0.0), OTHER: Arc(ROOT, OTHER, 0.0), MODEL: Arc(ONE, MODEL, 0.0)}
APART = {(ONE, OTHER, ROOT): 0.5, (OTHER, ONE, ROOT): 0.5, (MODEL, ONE, ROOT): 1.3}


@dataclass
class Measured:
    """What a field tells of four models, two of them trained from the first; a share that is not given is unknown."""

    shares: Mapping[tuple[int, int, int], float]
    lengths: Mapping[int, float]
    error: float = 0.05
    sketches: range = range(4)
    rounded: Mapping[int, int] = field(default_factory=dict)
    first: tuple[int, ...] = ()
    missing: Mapping[int, Any] = field(default_factory=dict)

    def held_by_neurons(self, model: int, other: int, origin: int) -> Held | None:
        share = self.shares.get((model, other, origin))
        return None if share is None else Held(share, self.error, is_whole=False)

    def correlation(self, left: int, right: int) -> float | None:
        return 1.0 - self.lengths.get(MODEL if left == MODEL else right, 0.0)

    def have_one_structure(self, left: int, right: int) -> bool:
        return True

    def are_new(self, nodes: object) -> bool:
        return False


def parent(measured: Measured) -> int:
    masked = Masked(measured, {}, ())  # type: ignore[arg-type]
    return likeliest(masked.places(MODEL, ONE, TREE, frozenset(), lambda tree: lambda *three: False))


LENGTHS = {ONE: 0.02, OTHER: 0.02, MODEL: 0.2}


def test_who_holds_the_movements_of_two_that_were_trained_apart_descends_from_neither():
    assert parent(Measured({**APART, (MODEL, OTHER, ROOT): 1.3}, LENGTHS)) == ROOT


@pytest.mark.parametrize(
    ("shares", "lengths", "error"),
    [
        ({**APART, (MODEL, OTHER, ROOT): 0.3}, LENGTHS, 0.05),
        ({**APART, (MODEL, OTHER, ROOT): 1.3, (ONE, OTHER, ROOT): 1.0}, LENGTHS, 0.05),
        ({**APART, (MODEL, OTHER, ROOT): 1.3, (OTHER, ONE, ROOT): 1.0}, LENGTHS, 0.05),
        ({**APART, (MODEL, OTHER, ROOT): 1.3}, {**LENGTHS, OTHER: 0.004}, 0.05),
        ({**APART, (MODEL, OTHER, ROOT): 1.3}, {**LENGTHS, MODEL: 0.01}, 0.05),
        ({**APART, (MODEL, OTHER, ROOT): 1.3}, LENGTHS, 0.2),
        (APART, LENGTHS, 0.05),
    ],
    ids=[
        "not of the other",
        "it lies on the way",
        "it lies beyond",
        "a short way",
        "short training",
        "hardly known",
        "unknown",
    ],
)
def test_otherwise_it_descends_from_the_one_it_is_nearest_to(shares, lengths, error):
    assert parent(Measured(shares, lengths, error)) == ONE
