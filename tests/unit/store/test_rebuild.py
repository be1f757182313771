from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import NoIndex
from lineage.store import SqliteIndex, examine, rebuild
from tests.small_models import sketched, trained

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
