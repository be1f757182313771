import errno
import multiprocessing
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import Locked, Malformed, NoIndex, StoreError, Unknown
from lineage.sketch import asked_codes
from lineage.store import SqliteIndex, adding, lock
from lineage.store.lock import writing
from lineage.types import Declared
from tests.small_models import sketched, trained

ONE, TWO = sketched(trained(1), "one", path="/a/one"), sketched(trained(2), "two", path="/a/two")
VERSION = "0.0.test"


@pytest.fixture
def index(tmp_path):
    with SqliteIndex.create(tmp_path / "index") as index:
        yield index


def content(folder: Path) -> dict[str, bytes]:
    """Every file but SQLite's shared memory, which has no content of its own."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith("-shm")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_adding_the_same_content_again_changes_no_byte(index):
    assert index.add(ONE, VERSION)
    index.finish_run()
    before = content(index.folder)
    assert not index.add(ONE, VERSION)
    index.finish_run()
    assert content(index.folder) == before


def test_another_name_or_path_of_the_same_content_becomes_an_alias(index):
    index.add(ONE, VERSION)
    assert not index.add(replace(ONE, name="copy", path="/b/copy"), VERSION)
    (record,) = index.models()
    assert (record.name, record.source, record.aliases) == ("one", "/a/one", ("/b/copy", "copy"))
    assert index.find("copy").id == ONE.id


def test_equal_tensors_are_found_without_a_look_at_every_model(index):
    index.add(ONE, VERSION)
    asked: list[str] = []
    index.db.conn.set_trace_callback(asked.append)
    index.same_digests([tensor.digest for tensor in ONE.tensors])
    index.db.conn.set_trace_callback(None)
    assert len(asked) == 2
    for query in asked:
        first, *_ = index.db.execute(f"explain query plan {query}")
        assert "idx_tensors_" in first[-1]


def test_a_lost_sketch_file_is_written_again_by_the_next_ingest(index):
    index.add(ONE, VERSION)
    index.sketch_file(ONE.id).unlink()
    with pytest.raises(Malformed, match="missing"):
        index.load(ONE.id)
    assert index.add(ONE, VERSION)
    assert index.load(ONE.id).id == ONE.id


def test_a_model_is_found_by_id_prefix_name_and_alias(index):
    index.add(ONE, VERSION)
    index.add(TWO, VERSION)
    for text in (ONE.id, ONE.id[:6], "one"):
        assert index.find(text).id == ONE.id


def test_a_name_that_two_models_have_is_said_so(index):
    index.add(ONE, VERSION)
    index.add(replace(TWO, name="one"), VERSION)
    with pytest.raises(Unknown, match="can be 2 models"):
        index.find("one")
    with pytest.raises(Unknown, match="no model"):
        index.find("three")
    with pytest.raises(Unknown, match="no model"):
        index.find("")


def test_removing_takes_every_row_and_the_file(index):
    index.add(replace(ONE, declared=(Declared("x", None, "card"),)), VERSION)
    index.add(replace(ONE, name="copy"), VERSION)
    index.add(TWO, VERSION)
    index.remove(ONE.id)
    assert [r.id for r in index.models()] == [TWO.id]
    assert not index.sketch_file(ONE.id).exists()
    for table in ("tensors", "components", "declared", "aliases"):
        assert {row["model"] for row in index.db.table(table).rows} <= {TWO.id}
    with pytest.raises(Unknown):
        index.remove(ONE.id)


def test_there_is_no_index_in_an_empty_folder(tmp_path):
    with pytest.raises(NoIndex, match="holds no index"):
        SqliteIndex.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_not_made_an_index(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(StoreError, match=r"model\.safetensors"):
        SqliteIndex.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path):
    (tmp_path / "lineage.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Malformed, match="lineage rebuild"):
        SqliteIndex.open(tmp_path)


def hold(folder: Path, held, done) -> None:
    with writing(folder):
        held.set()
        done.wait(30)


@pytest.fixture
def other_writer(index):
    """Another process that has the lock."""
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(index.folder, held, done))
    process.start()
    assert held.wait(30)
    yield process
    done.set()
    process.join()


def test_a_second_writer_is_told_who_writes(index, other_writer, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_S", 0.01)
    with pytest.raises(Locked, match=f"process {other_writer.pid} is writing"), index.writing():
        pass


def test_readers_do_not_wait_for_a_writer(index):
    index.add(ONE, VERSION)
    with index.writing(), index.db.atomic():
        index.db.table("models").update(ONE.id, {"name": "half way"})
        with SqliteIndex.open(index.folder) as reader:
            assert [r.name for r in reader.models()] == ["one"]
            assert reader.load(ONE.id).id == ONE.id


def test_a_busy_database_is_locked_not_broken(index, monkeypatch):
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    monkeypatch.setattr(index.db, "atomic", lambda: _raise(busy))
    with pytest.raises(Locked):
        index.add(ONE, VERSION)


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_full_disk_is_one_clear_line_and_nothing_is_lost(index, monkeypatch, code):
    index.add(ONE, VERSION)
    monkeypatch.setattr(adding, "write_sketch", lambda *_: _raise(OSError(code, os.strerror(code))))
    with pytest.raises(StoreError, match="disk is full") as error:
        index.add(TWO, VERSION)
    assert "\n" not in str(error.value)
    assert [r.id for r in index.models()] == [ONE.id]


def test_a_full_disk_in_the_middle_of_the_rows_leaves_none_of_them(index, monkeypatch):
    index.add(ONE, VERSION)
    pages = index.db.execute("PRAGMA page_count").fetchone()[0]
    index.db.execute(f"PRAGMA max_page_count = {pages}")
    large = sketched(trained(3, layers=12), "large")
    with pytest.raises(StoreError, match="disk is full"):
        index.add(large, VERSION)
    assert [r.id for r in index.models()] == [ONE.id]
    assert index.db.table("tensors").count == len(ONE.tensors)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_one_clear_line(index, monkeypatch, code):
    monkeypatch.setattr(adding, "write_sketch", lambda *_: _raise(OSError(code, os.strerror(code))))
    with pytest.raises(StoreError, match="cannot be written"):
        index.add(ONE, VERSION)


def test_an_index_in_a_read_only_folder_can_be_read(index, monkeypatch):
    index.add(ONE, VERSION)
    index.finish_run()
    index.close()
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and writable(path, mode))
    with SqliteIndex.open(index.folder) as reader:
        assert reader.find("one").id == ONE.id
        with pytest.raises(StoreError, match="cannot be written"):
            reader.remove(ONE.id)


def test_names_that_no_database_holds_are_escaped(index):
    odd = replace(ONE, name="net\ud800", path="/a/\udcff")
    index.add(odd, VERSION)
    (record,) = index.models()
    assert record.name == "net\\ud800"
    assert not index.add(odd, VERSION)
    assert index.models()[0].aliases == ()


def test_an_id_of_a_hostile_database_leads_nowhere(index):
    index.add(ONE, VERSION)
    index.db.execute("PRAGMA foreign_keys=OFF")
    index.db.execute("update models set id = '../../../etc/passwd'")
    with pytest.raises(Malformed, match="not a model id"):
        index.load("../../../etc/passwd")


def test_half_written_files_are_cleared_by_the_next_writer(index):
    scratch = index.sketch_folder / ".abc.sketch.x.tmp"
    scratch.write_bytes(b"half")
    index.add(ONE, VERSION)
    assert not scratch.exists()


def test_a_run_of_additions_reads_no_sketch_back(tmp_path, monkeypatch):
    with SqliteIndex.create(tmp_path / "index") as index:
        read: list[object] = []
        monkeypatch.setattr(index, "load", lambda model: read.append(model) or pytest.fail("read back"))
        for seed in (1, 2):
            index.add(sketched(trained(seed), f"net{seed}"), "0.0.test")
        index.finish_run()
        found = index.nearest(asked_codes(sketched(trained(1), "query")), "model", 9)["component"][0]
        assert {model for model, _ in found} == {record.id for record in index.models()}
        assert read == []
