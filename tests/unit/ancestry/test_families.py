"""A large index is drawn family by family, with the graph that all its models give at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.ancestry import descent, graph
from lineage.ancestry.candidates import near_kin
from lineage.ancestry.families import Reopened, families
from lineage.store import MemoryIndex, SqliteIndex
from lineage.types import Lineage
from tests.systems import needs_linux
from tests.unit.ancestry.test_graph import FAMILY
from tests.unit.ancestry.test_growing import PARTS, STRANGERS, sketched

NAMES = [*FAMILY, *STRANGERS, *PARTS]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SqliteIndex:
    return made(tmp_path_factory.mktemp("index"), NAMES)


def made(folder, names) -> SqliteIndex:
    with SqliteIndex.create(folder) as index:
        for name in names:
            index.add(sketched(name), "0.0.test")
        index.finish_run()
    return SqliteIndex.open(folder)


def as_sets(lineage: Lineage) -> tuple[set[object], set[object]]:
    """Nodes and edges; a sum is solved among values that are scaled by all models of its structure."""
    edges = (
        edge if edge.weight is None else replace(edge, weight=round(edge.weight, 6), confidence=None, basis=())
        for edge in lineage.edges
    )
    return {*lineage.nodes}, {*edges}


@needs_linux
@pytest.mark.parametrize("processes", [1, 2])
def test_the_graph_is_that_of_all_models_at_once(index, monkeypatch, processes):
    whole = graph([index])
    monkeypatch.setattr(descent, "_MOST_TENSORS", 0)
    told: list[tuple[int, int]] = []
    parts = graph([index], processes=processes, watch=lambda *done: told.append(done))
    assert parts.edges
    assert as_sets(parts) == as_sets(whole)
    assert told[-1] == (2 * len(NAMES), 2 * len(NAMES))


@needs_linux
def test_it_does_not_depend_on_the_order_of_ingest(index, monkeypatch, tmp_path):
    monkeypatch.setattr(descent, "_MOST_TENSORS", 0)
    assert graph([index], processes=2) == graph([made(tmp_path, reversed(NAMES))], processes=1)


def test_several_indexes_are_one(index, monkeypatch, tmp_path):
    first, second = made(tmp_path / "one", NAMES[::2]), MemoryIndex(map(sketched, NAMES[1::2]))
    monkeypatch.setattr(descent, "_MOST_TENSORS", 0)
    found, whole = graph([first, second]), graph([index])
    assert {(e.parent, e.child, e.relation) for e in found.edges} == {
        (e.parent, e.child, e.relation) for e in whole.edges
    }


def test_families_hold_every_model_once_and_join_what_is_related(index):
    ids = {name: sketched(name).id for name in NAMES}
    found = families(dict.fromkeys(ids.values(), 0), Reopened([index]), 1, lambda count: None)
    assert sorted(one for group in found for one in group) == sorted(ids.values())
    home = {model: number for number, group in enumerate(found) for model in group}
    assert len({home[ids[name]] for name in FAMILY if name not in ("init", "stranger")}) == 1
    assert len({home[ids[name]] for name in PARTS}) == 1
    apart = {home[ids[name]] for name in (*STRANGERS, "stranger", "root", "both")}
    assert len(apart) == len(STRANGERS) + 3


def test_near_kin_of_more_questions_are_fewer(index):
    known = replace(sketched("root"))
    few, many = near_kin(known, index, 1), near_kin(known, index, 10**9)
    assert {*many} <= {*few}
    assert sketched("child").id in many
