"""Where a model in disguise belongs that moved along with relatives that were trained apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
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
    unrelated: tuple[int, ...] = ()  # to the model

    @property
    def pairs(self) -> Any:
        return SimpleNamespace(are_related=lambda _, other: other not in self.unrelated)

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


def placed(measured: Measured, near: int, tree: Mapping[int, Arc], *, is_raised: bool = False) -> int:
    masked = Masked(measured, {}, ())  # type: ignore[arg-type]
    return likeliest(masked.places(MODEL, near, tree, frozenset(), lambda tree: lambda *three: is_raised))


@pytest.mark.parametrize(("unrelated", "expected"), [((), ROOT), ((ROOT,), ONE)])
def test_it_rises_no_farther_than_to_what_it_is_related_to(unrelated, expected):
    measured = Measured({}, LENGTHS, unrelated=unrelated)
    assert placed(measured, ONE, TREE, is_raised=True) == expected


CHAIN = {ONE: Arc(ROOT, ONE, 0.0), OTHER: Arc(ONE, OTHER, 0.0)}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({(MODEL, ONE, ROOT): 0.7, (MODEL, OTHER, ROOT): 1.0}, OTHER),
        ({(MODEL, OTHER, ROOT): 1.0}, OTHER),
        ({(MODEL, ONE, ROOT): 1.0, (MODEL, OTHER, ROOT): 0.6}, ONE),
        ({(MODEL, ONE, ROOT): 1.0, (MODEL, OTHER, ROOT): 0.8, (MODEL, OTHER, ONE): 1.0}, OTHER),
        ({(MODEL, ONE, ROOT): 0.3, (MODEL, OTHER, ROOT): 0.6}, ROOT),
    ],
    ids=["the whole way", "a first step too short to tell", "half the way", "step by step", "neither"],
)
def test_it_descends_from_the_last_whose_way_it_holds(shares, expected):
    assert placed(Measured(shares, LENGTHS), ROOT, CHAIN) == expected
