"""Whatever happens to the files of an index, one line says it, `rebuild` mends it, and nothing waits for ever."""

import json
import os
import shutil
import sqlite3
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import LineageError, Malformed, StoreError
from lineage.store import SqliteIndex, examine, keep_graph, kept_graph, rebuild
from lineage.store.database import require_files
from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts.descent import NamedIn
from tests.small_models import sketched, trained
from tests.systems import needs_pipes

ONE, TWO = sketched(trained(1), "one", path="/a/one"), sketched(trained(2), "two", path="/a/two")
VERSION = "0.0.test"
TABLES = (
    "runs", "models", "tensors", "components", "declared", "aliases", "layouts", "segments", "totals",
    "_sqlite_migrations",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    with SqliteIndex.create(tmp_path / "index") as index:
        index.add(ONE, VERSION)
        index.add(TWO, VERSION)
        index.finish_run()
    return tmp_path / "index"


def edited(folder, *statements):
    db = sqlite3.connect(folder / "lineage.sqlite", isolation_level=None)
    db.execute("PRAGMA foreign_keys=OFF")
    for statement in statements:
        db.execute(statement)
    db.close()


def is_told(folder):
    """Whether the damage is seen: by an error of one line, or by the doctor."""
    try:
        with SqliteIndex.open(folder) as index:
            index.models()
            return any(finding.is_damage for finding in examine(index))
    except LineageError as error:
        return "lineage rebuild" in str(error) and "\n" not in str(error)


def is_mended(folder):
    rebuilt = rebuild(folder, VERSION)
    with SqliteIndex.open(folder) as index:
        assert [finding for finding in examine(index) if finding.is_damage] == []
        return rebuilt.models == 2 and {r.name for r in index.models()} == {"one", "two"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "way",
    ["DROP TABLE {0}", "DROP TABLE {0}; CREATE TABLE {0} (id)", "DROP TABLE {0}; CREATE VIEW {0} AS SELECT 1 AS id"],
    ids=["dropped", "replaced", "a view"],
)
def test_a_table_that_is_lost_or_another_is_told_and_made_again(folder, table, way):
    edited(folder, *way.format(table).split("; "))
    assert is_told(folder)
    assert is_mended(folder)


def test_an_index_of_the_tables_that_is_lost_is_told_and_made_again(folder):
    edited(folder, "DROP INDEX idx_tensors_digest")
    assert is_told(folder)
    assert is_mended(folder)


ROWS = {
    "a name that is a number": "UPDATE models SET name = x'00ff'",
    "a size that is a word": "UPDATE models SET params = 'many'",
    "a size below zero": "UPDATE models SET params = -5",
    "a size of another": "UPDATE models SET params = params + 1",
    "a depth of none": "UPDATE models SET depth = 'deep'",
    "a date that is a number": "UPDATE models SET added = x'01'",
    "swapped names": "UPDATE models SET name = CASE name WHEN 'one' THEN 'two' ELSE 'one' END",
    "another format": "UPDATE models SET format = 'gguf'",
    "another licence": "UPDATE models SET licence = 'mit'",
    "another content": "UPDATE models SET content = 'x'",
    "no family of words": "UPDATE models SET family = 7",
    "a component that is a number": "UPDATE components SET name = x'01' WHERE params > 50000",
    "a parent that is a number": "INSERT INTO declared SELECT id, 0, x'01', 2, 3.5 FROM models",
    "an alias that is a number": "INSERT INTO aliases SELECT id, x'01' FROM models",
    "a layout of nothing": "INSERT INTO layouts SELECT id, x'02', 'n', 's', 'f', 'h', 'a', 'maybe' FROM models",
    "weights seen perhaps": "UPDATE models SET weights_seen = 'perhaps'",
    "a digest that is a number": "UPDATE tensors SET digest = 7",
    "a set without a name": "UPDATE totals SET name = x'00ff'",
    "a set with a long name": "UPDATE totals SET name = name || '00'",
    "models without a number": "UPDATE totals SET models = 'many'",
    "a segment of words": "UPDATE segments SET models = 'many'",
    "a segment without a name": "UPDATE segments SET name = x'00ff', dead = 1.5",
    "an id that leads away": "UPDATE models SET id = '../../x' WHERE name = 'one'",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS.keys())
def test_rows_that_no_version_writes_are_told_and_mended(folder, statement):
    edited(folder, statement)
    assert is_told(folder)
    assert is_mended(folder)


PLACES = [
    "sketches/{0}.sketch",
    "handed-over/{0}.sketch",
    "sketches/x.sketch",
    "vectors/x.vectors",
    "graphs/all.json",
    "comparisons/known.sqlite",
    "comparisons/known.sqlite-journal",
    "writer.pid",
]


@needs_pipes
@pytest.mark.parametrize("place", PLACES)
def test_nobody_waits_for_a_pipe(folder, place):
    path = folder / place.format(ONE.id)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with SqliteIndex.open(folder) as index:
        examine(index)
        assert kept_graph(folder, "all", "1") is None
    rebuilt = rebuild(folder, VERSION)
    assert rebuilt.models == (1 if place == "sketches/{0}.sketch" else 2)
    assert all("not a plain file" in reason for _, reason in rebuilt.left_out)


OTHERS = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@needs_pipes
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("name", ["lineage.sqlite", "lineage.sqlite-wal", "lineage.sqlite-shm"])
def test_what_is_no_database_is_named_and_nothing_is_made_of_it(folder, name, other):
    (folder / name).unlink(missing_ok=True)
    other(folder / name)
    for work in (SqliteIndex.open, SqliteIndex.create, lambda folder: rebuild(folder, VERSION)):
        with pytest.raises(StoreError, match=f"{name}: is not what an index has there: take it away, then run"):
            work(folder)
    (folder / name).rmdir() if other is Path.mkdir else (folder / name).unlink()
    assert is_mended(folder)


@needs_pipes
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("name", ["writer.lock", "writer.pid"])
def test_what_is_no_lock_is_named_or_taken_away(folder, name, other):
    (folder / name).unlink(missing_ok=True)
    other(folder / name)
    with SqliteIndex.open(folder) as index:
        assert len(index.models()) == 2
    is_in_the_way = name == "writer.lock" and other is not os.mkfifo  # a pipe can be locked
    refused = pytest.raises(StoreError, match=f"{name}: is not what an index has there")
    with refused if is_in_the_way else nullcontext():
        assert rebuild(folder, VERSION).models == 2


@pytest.mark.parametrize("part", ["sketches", "vectors", "graphs", "comparisons", "handed-over"])
def test_a_file_in_the_place_of_a_folder_is_named_or_costs_time(folder, part):
    shutil.rmtree(folder / part, ignore_errors=True)
    (folder / part).write_text("no folder")
    with SqliteIndex.open(folder) as index:
        assert len(index.models()) == 2
        damage = [finding for finding in examine(index) if finding.is_damage]
        assert len(damage) == (2 if part == "sketches" else 0)
    with pytest.raises(StoreError, match="sketches: is not what an index") if part == "sketches" else nullcontext():
        assert rebuild(folder, VERSION).models == 2


@needs_pipes
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_sketch_is_named_and_the_weights_come_in_its_place(folder, other):
    path = folder / "sketches" / f"{ONE.id}.sketch"
    path.unlink()
    other(path)
    with SqliteIndex.open(folder) as index:
        with pytest.raises(Malformed, match=f"{ONE.id}.sketch"):
            index.load(ONE.id)
        assert [finding.where for finding in examine(index) if finding.is_damage] == [f"{ONE.id[:12]} (one)"]
        if other is Path.mkdir:
            with pytest.raises(StoreError, match="is not what an index has there: take it away"):
                index.add(ONE, VERSION)
            path.rmdir()
        assert index.add(ONE, VERSION)
        index.finish_run()
        assert not [finding for finding in examine(index) if finding.is_damage]


def test_sketches_of_one_another_are_damage_until_they_are_made_again(folder):
    one, two = (folder / "sketches" / f"{model.id}.sketch" for model in (ONE, TWO))
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    with SqliteIndex.open(folder) as index:
        with pytest.raises(Malformed, match="is the sketch of another model"):
            index.load(ONE.id)
        assert [finding.is_damage for finding in examine(index)] == [True, True]
    rebuilt = rebuild(folder, VERSION)
    assert (rebuilt.models, len(rebuilt.left_out)) == (0, 2)
    with SqliteIndex.open(folder) as index:  # the advice is no rebuild, which leaves them out
        assert {finding.problem for finding in examine(index)} == {
            "is not a sketch of the model of its name, and of no use: take it away"
        }
        for model in (ONE, TWO):
            index.add(model, VERSION)
        index.finish_run()
        assert examine(index) == []


def test_a_sketch_that_was_carried_from_what_was_handed_over_is_not_taken_for_seen(folder):
    with SqliteIndex.open(folder) as index:
        index.remove(ONE.id)
        index.add(replace(ONE, weights_seen=False), VERSION)
        index.finish_run()
    (folder / "handed-over" / f"{ONE.id}.sketch").rename(folder / "sketches" / f"{ONE.id}.sketch")
    with SqliteIndex.open(folder) as index:
        assert any(finding.is_damage for finding in examine(index))
    rebuild(folder, VERSION)
    with SqliteIndex.open(folder) as index:
        assert {record.name: record.weights_seen for record in index.models()} == {"one": None, "two": True}


GRAPH = Lineage(
    (Node("a", "a", 3, ("b",), licence="mit"), Node("c", "c", 3)),
    (
        Edge(
            "a",
            "c",
            Relation.FINE_TUNED,
            True,
            "measured",
            None,
            1.0,
            None,
            0.5,
            9.0,
            -8.0,
            0.9,
            (NamedIn("card"),),
            ((0, 1),),
        ),
    ),
)
CHANGES = {
    "empty": lambda _: b"",
    "deep": lambda _: b"[" * 200_000,
    "deep inside": lambda held: json.dumps(held | {"nodes": 1}).replace("1", "[" * 90_000 + "]" * 90_000, 1).encode(),
    "a list": lambda _: b"[]",
    "a number": lambda _: b"7",
    "no nodes": lambda held: held | {"nodes": None},
    "nodes that are words": lambda held: held | {"nodes": ["a", "c"]},
    "a size that is a word": lambda held: held | {"nodes": [{**held["nodes"][0], "params": "3"}, held["nodes"][1]]},
    "an id that is a list": lambda held: held | {"nodes": [{**held["nodes"][0], "id": ["a"]}, held["nodes"][1]]},
    "aliases that are a word": lambda held: held | {"nodes": [{**held["nodes"][0], "aliases": "b"}, held["nodes"][1]]},
    "a field too many": lambda held: held | {"nodes": [{**held["nodes"][0], "other": 1}, held["nodes"][1]]},
    "an edge to nowhere": lambda held: held | {"edges": [{**held["edges"][0], "parent": "z"}]},
    "a relation that is none": lambda held: held | {"edges": [{**held["edges"][0], "relation": "cousin"}]},
    "a figure that is a word": lambda held: held | {"edges": [{**held["edges"][0], "r": "high"}]},
    "a direction that is a word": lambda held: held | {"edges": [{**held["edges"][0], "directed": "yes"}]},
    "a map that is flat": lambda held: held | {"edges": [{**held["edges"][0], "layer_map": [0, 1]}]},
    "a fact that is none": lambda held: held | {"edges": [{**held["edges"][0], "basis": [{"id": "x", "values": {}}]}]},
    "a fact of another": lambda held: (
        held | {"edges": [{**held["edges"][0], "basis": [{"id": "named-in", "values": {"z": 1}}]}]}
    ),
    "twice a node": lambda held: held | {"nodes": held["nodes"] * 2},
}


def test_a_kept_graph_comes_back(tmp_path):
    keep_graph(tmp_path, "all", "1", GRAPH)
    assert kept_graph(tmp_path, "all", "1") == GRAPH
    assert kept_graph(tmp_path, "all", "2") is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_kept_graph_that_is_damaged_is_passed_over_and_told(folder, change):
    keep_graph(folder, "all", "1", GRAPH)
    place = folder / "graphs" / "all.json"
    changed = change(json.loads(place.read_text()))
    place.write_bytes(changed if isinstance(changed, bytes) else json.dumps(changed).encode())
    assert kept_graph(folder, "all", "1") is None
    with SqliteIndex.open(folder) as index:
        (finding,) = examine(index)
    assert (finding.is_damage, finding.where) == (False, str(place))
    rebuild(folder, VERSION)
    assert not place.exists()


def test_a_log_that_comes_and_goes_beside_a_reader_is_no_damage(folder):
    """SQLite takes the log away with the last connection: many readers at a time saw it there, and then gone."""
    log = folder / "lineage.sqlite-wal"
    over = threading.Event()

    def come_and_go():
        while not over.is_set():
            log.touch()
            log.unlink()

    beside = threading.Thread(target=come_and_go)
    beside.start()
    try:
        for _ in range(3000):
            require_files(folder)
    finally:
        over.set()
        beside.join()


def test_a_reader_of_bad_rows_is_told_in_one_line(folder):
    edited(folder, ROWS["a size that is a word"])
    with SqliteIndex.open(folder) as index, pytest.raises(Malformed, match="the table models has 'many' for a params"):
        index.models()
