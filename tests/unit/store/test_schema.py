import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from lineage.errors import StoreError
from lineage.sketch import FAMILY
from lineage.store import SqliteIndex
from lineage.store.schema import is_current, migrations, upgrade
from tests.small_models import sketched, trained


def columns(db: Database) -> dict[str, dict[str, str]]:
    return {name: db.table(name).columns_dict for name in db.table_names() if not name.startswith("sqlite_")}


def indexes(db: Database) -> set[str]:
    return {index.name for name in db.table_names() for index in db.table(name).indexes}


def first_schema(path: Path) -> None:
    """An index as the first version left it, with one model."""
    db = Database(sqlite3.connect(path))
    migrations.apply(db, stop_before="m002_find_by_digest")
    assert not is_current(db)
    db.table("runs").insert({"started": "2026-01-01T00:00:00+00:00", "version": "0.0.1"})
    db.table("models").insert(
        {
            "id": "ab" * 16, "name": "old", "family": FAMILY, "depth": "full", "source": "/old", "format": "npz",
            "architecture": "llama", "params": 6, "nbytes": 24, "added": "2026-01-01T00:00:00+00:00",
            "file_sha256": "0" * 64, "run": 1,
        }
    )  # fmt: skip
    db.table("tensors").insert(
        {"model": "ab" * 16, "place": 0, "name": "w", "component": "body", "digest": "d1", "band_digest": "d2"}
    )
    db.close()


def test_the_first_schema_becomes_this_one_and_keeps_its_rows(tmp_path):
    first_schema(tmp_path / "lineage.sqlite")
    fresh = Database(memory=True)
    upgrade(fresh)
    with SqliteIndex.open(tmp_path) as index:
        assert columns(index.db) == columns(fresh)
        assert indexes(index.db) == indexes(fresh)
        assert [(r.name, r.params, r.tensors) for r in index.models()] == [("old", 6, 1)]
        assert index.same_digests(["d1", "d2"]) == {d: [("ab" * 16, "w")] for d in ("d1", "d2")}
    fresh.close()


def test_upgrading_twice_changes_nothing():
    db = Database(memory=True)
    upgrade(db)
    before = db.schema
    upgrade(db)
    assert db.schema == before
    db.close()


def test_an_index_of_a_newer_version_is_left_alone(tmp_path):
    with SqliteIndex.create(tmp_path) as index:
        index.add(sketched(trained(1)), "0.0.test")
        index.db.table("_sqlite_migrations").insert(
            {"migration_set": "lineage", "name": "m999_from_the_future", "applied_at": "2030"}
        )
    with pytest.raises(StoreError, match=r"newer version of lineage") as error:
        SqliteIndex.open(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_equal_tensors_are_found_without_reading_every_row(tmp_path):
    with SqliteIndex.create(tmp_path) as index:
        for column in ("digest", "band_digest"):
            query = f"explain query plan select model from tensors where {column} in ('a', 'b')"
            plan = [row[3] for row in index.db.execute(query)]
            assert all("SEARCH" in step for step in plan), plan
