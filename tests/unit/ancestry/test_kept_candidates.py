"""Candidates of known models are looked for again as soon as the index is another."""

from __future__ import annotations

import pytest

from lineage.ancestry import candidates as looked_for
from lineage.ancestry.candidates import candidates, kept_relatives
from lineage.store import MemoryIndex, SqliteIndex
from lineage.store.excluding import Without
from tests.small_models import sketched, trained, tuned

BASE = trained(1)
SKETCHES = [sketched(BASE, "base"), *(sketched(tuned(BASE, seed), f"child {seed}") for seed in (2, 3))]


@pytest.fixture
def searches(monkeypatch):
    asked, found = [], looked_for._found

    def counted(query, index):
        asked.append(query.name)
        return found(query, index)

    monkeypatch.setattr(looked_for, "_found", counted)
    return asked


def test_they_are_those_of_a_search_of_the_index_as_it_is(tmp_path, searches):
    known, *others = SKETCHES
    for held in ([], [known], [known, others[0]]):
        with SqliteIndex.create(tmp_path) as index:
            for sketch in held:
                index.add(sketch, "0.0.test")
            index.finish_run()
        with SqliteIndex.open(tmp_path) as index:
            assert kept_relatives(known, index) == [one.id for one in held]
            assert len(kept_relatives(known, index)) == len(held)
    with SqliteIndex.open(tmp_path) as index:
        index.remove(others[0].id)
        assert kept_relatives(known, index) == [known.id]
    assert len(searches) == 4


def test_an_index_without_one_of_its_models_is_another(tmp_path):
    with SqliteIndex.create(tmp_path) as index:
        for sketch in SKETCHES:
            index.add(sketch, "0.0.test")
        index.finish_run()
        assert len(kept_relatives(SKETCHES[0], index)) == 3
        assert SKETCHES[1].id not in kept_relatives(SKETCHES[0], Without(index, SKETCHES[1].id))


def test_an_index_that_does_not_tell_is_searched_each_time(searches):
    index = MemoryIndex(SKETCHES)
    assert kept_relatives(SKETCHES[0], index) == kept_relatives(SKETCHES[0], index)
    assert len(searches) == 2


def test_the_nearest_of_all_are_candidates_but_no_relatives():
    index = MemoryIndex([*SKETCHES, sketched(trained(7), "stranger")])
    assert len(candidates(SKETCHES[0], index)) == 4
    assert {*kept_relatives(SKETCHES[0], index)} == {one.id for one in SKETCHES}
