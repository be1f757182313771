import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import load, save
from sqlite_utils import Database

from lineage.errors import NoIndex
from lineage.sketch import FAMILY
from lineage.store import SqliteIndex, Without, examine, rebuild
from lineage.store.database import open_database
from lineage.store.held import sha256
from tests.small_models import as_of_another_family, sketched, trained

ONE, TWO = sketched(trained(1), "one", path="/a/one"), sketched(trained(2), "two", path="/a/two")


@pytest.fixture
def folder(tmp_path) -> Path:
    with SqliteIndex.create(tmp_path / "index") as index:
        index.add(ONE, "0.0.test")
        index.add(replace(ONE, name="copy"), "0.0.test")
        index.add(TWO, "0.0.test")
        index.finish_run()
    return tmp_path / "index"


def records(folder: Path):
    with SqliteIndex.open(folder) as index:
        assert examine(index) == []
        return index.models()


def test_a_rebuild_of_a_whole_index_changes_no_record(folder):
    before = records(folder)
    assert rebuild(folder, "0.0.test").models == 2
    assert records(folder) == before


def test_lost_rows_come_back(folder):
    before = records(folder)
    with SqliteIndex.open(folder) as index:
        index.db.execute("delete from tensors where place > 2")
        index.db.execute("delete from components")
    rebuild(folder, "0.0.test")
    assert records(folder) == before


def garbage(folder: Path) -> None:
    (folder / "lineage.sqlite").write_bytes(b"garbage" * 1000)


def cut(folder: Path) -> None:
    path = folder / "lineage.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(folder: Path) -> None:
    path = folder / "lineage.sqlite"
    held = bytearray(path.read_bytes())
    held[4096 : len(held) - 4096] = bytes(len(held) - 8192)
    path.write_bytes(held)


def lose(folder: Path) -> None:
    (folder / "lineage.sqlite").unlink()


@pytest.mark.parametrize("damage", [garbage, cut, overwrite, lose], ids=lambda d: d.__name__)
def test_a_damaged_database_is_set_aside_and_made_again(folder, damage):
    damage(folder)
    rebuilt = rebuild(folder, "0.0.test")
    assert (rebuilt.models, rebuilt.left_out) == (2, ())
    assert {(r.id, r.name) for r in records(folder)} == {(ONE.id, "one"), (TWO.id, "two")}
    assert (folder / "lineage.sqlite.damaged").exists() == (damage is not lose)


@pytest.mark.parametrize("damage", [garbage, overwrite], ids=lambda d: d.__name__)
def test_no_database_stays_open_or_it_could_not_be_set_aside_on_every_system(folder, damage, monkeypatch):
    opened: list[Database] = []

    def watched(where: Path) -> Database:
        opened.append(open_database(where))
        return opened[-1]

    monkeypatch.setattr("lineage.store.rebuilding.open_database", watched)
    damage(folder)
    rebuild(folder, "0.0.test")
    assert opened
    for database in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("select 1")


def test_a_damaged_sketch_is_left_out_and_named(folder):
    path = folder / "sketches" / f"{ONE.id}.sketch"
    path.write_bytes(path.read_bytes()[:-1])
    rebuilt = rebuild(folder, "0.0.test")
    assert rebuilt.models == 1
    ((where, reason),) = rebuilt.left_out
    assert where == str(path)
    assert "damaged" in reason


def test_there_is_nothing_to_rebuild_in_an_empty_folder(tmp_path):
    with pytest.raises(NoIndex):
        rebuild(tmp_path, "0.0.test")


def make_of_another_family(folder: Path, model: str) -> None:
    """Make a model of the index what an older version would have left there."""
    path = folder / "sketches" / f"{model}.sketch"
    arrays = load(path.read_bytes())
    with safe_open(path, framework="np") as file:
        text = file.metadata()["lineage"].replace(FAMILY, "lineage-0")
    path.write_bytes(save(arrays, metadata={"lineage": text}))
    with SqliteIndex.open(folder) as index:
        as_of_another_family(index, model)
        index.db.table("models").update(model, {"file_sha256": sha256(path)})


class TestAnotherFamily:
    @pytest.fixture(autouse=True)
    def older(self, folder):
        make_of_another_family(folder, ONE.id)

    def test_its_models_are_counted_and_not_searched(self, folder):
        with SqliteIndex.open(folder) as index:
            assert (len(index), index.unsearched) == (1, 1)
            assert [record.id for record in index.models()] == [TWO.id]
            assert Without(index, TWO.id).unsearched == 1

    def test_a_rebuild_keeps_them(self, folder):
        rebuilt = rebuild(folder, "0.0.test")
        assert (rebuilt.models, rebuilt.left_out) == (1, ())
        with SqliteIndex.open(folder) as index:
            assert index.unsearched == 1
            assert index.find("copy").id == ONE.id
            assert index.sketch_file(ONE.id).is_file()

    def test_without_a_readable_database_they_are_left_out_and_named(self, folder):
        garbage(folder)
        ((where, reason),) = rebuild(folder, "0.0.test").left_out
        assert where == str(folder / "sketches" / f"{ONE.id}.sketch")
        assert reason.startswith(f"{where}: is of sketch family 'lineage-0'")

    def test_a_row_that_is_wrong_about_the_family_is_mended(self, folder):
        with SqliteIndex.open(folder) as index:
            index.db.execute("update models set family = 'lineage-0' where id = ?", [TWO.id])
        assert rebuild(folder, "0.0.test").models == 1
        assert [record.name for record in records_of(folder)] == ["two"]

    def test_sketching_the_same_path_again_takes_its_place(self, folder):
        again = sketched(trained(5), "one", path="/a/one")
        with SqliteIndex.open(folder) as index:
            index.add(again, "0.0.test")
            index.finish_run()
            assert (len(index), index.unsearched) == (2, 0)
            assert not index.sketch_file(ONE.id).exists()
            assert examine(index) == []

    def test_it_can_be_removed(self, folder):
        with SqliteIndex.open(folder) as index:
            index.remove(index.find("one").id)
            assert index.unsearched == 0
            assert examine(index) == []


def records_of(folder: Path):
    with SqliteIndex.open(folder) as index:
        return index.models()
