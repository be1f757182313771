"""Which models a model is placed among: its family, as far as a search finds it."""

from __future__ import annotations

import pytest

from lineage.ancestry import placing
from lineage.ancestry.pair.comparison import compare
from lineage.store import MemoryIndex
from tests.small_models import sketched, trained, tuned

BASE = trained(1)
FAMILY = [sketched(BASE, "base"), *(sketched(tuned(BASE, seed), f"child {seed}") for seed in range(2, 26))]
STRANGERS = [sketched(trained(40 + k), f"stranger {k}") for k in range(4)]


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    return MemoryIndex([*FAMILY, *STRANGERS])


def neighbourhood(index: MemoryIndex) -> tuple[set[str], bool]:
    """Of the last child, from its two nearest relatives on."""
    query, near = FAMILY[-1], FAMILY[:2]
    compared = [compare(query, other) for other in near]
    around, is_whole = placing._neighbourhood(compared, {one.id: [one] for one in near}, [index])
    return {*around}, is_whole


def test_relatives_of_relatives_are_in_it_and_no_strangers(index):
    assert neighbourhood(index) == ({one.id for one in FAMILY}, True)


def test_of_a_family_that_is_too_large_a_part_is_read(index, monkeypatch):
    monkeypatch.setattr(placing, "_MOST_AROUND", 10)
    around, is_whole = neighbourhood(index)
    assert (len(around), is_whole) == (10, False)


def test_of_models_of_many_tensors_fewer_are_read_but_some_always(index, monkeypatch):
    monkeypatch.setattr(placing, "_MOST_TENSORS", 12 * len(FAMILY[0].tensors) - 1)
    assert neighbourhood(index) == ({one.id for one in FAMILY}, True)  # fewer than are read however large
    monkeypatch.setattr(placing, "_SURELY_AROUND", 5)
    around, is_whole = neighbourhood(index)
    assert (len(around), is_whole) == (12, False)
