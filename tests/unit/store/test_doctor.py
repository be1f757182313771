from dataclasses import replace

import pytest
from safetensors import safe_open
from safetensors.numpy import load, save

from lineage.sketch import FAMILY, write_sketch
from lineage.store import SqliteIndex, examine, segments
from lineage.store.totals import told
from tests.small_models import as_of_another_family, sketched, trained

ONE, TWO = sketched(trained(1), "one"), sketched(trained(2), "two")


@pytest.fixture
def index(tmp_path):
    with SqliteIndex.create(tmp_path / "index") as index:
        index.add(ONE, "0.0.test")
        index.add(TWO, "0.0.test")
        index.finish_run()
        yield index


def test_a_whole_index_is_clean(index):
    assert examine(index) == []


def test_an_examination_changes_nothing(index):
    (index.sketch_folder / ".x.sketch.y.tmp").write_bytes(b"half")
    before = {p: p.read_bytes() for p in index.folder.rglob("*") if p.is_file() and not p.name.endswith("-shm")}
    examine(index)
    assert before == {p: p.read_bytes() for p in index.folder.rglob("*") if p.is_file() and not p.name.endswith("-shm")}


def cut_sketch(index):
    path = index.sketch_file(ONE.id)
    path.write_bytes(path.read_bytes()[:-1])


def swap_sketch(index):
    write_sketch(TWO, index.sketch_file(ONE.id))


def rename_sketch(index):
    write_sketch(replace(ONE, name="other"), index.sketch_file(ONE.id))


DAMAGE = {
    "a cut sketch": (cut_sketch, "not the one that was written"),
    "a lost sketch": (lambda i: i.sketch_file(ONE.id).unlink(), "missing"),
    "a swapped sketch": (swap_sketch, "not the one that was written"),
    "an edited sketch": (rename_sketch, "not the one that was written"),
    "lost tensor rows": (lambda i: i.db.execute("delete from tensors where place = 3"), "rows are not"),
    "an edited digest": (lambda i: i.db.execute("update tensors set digest = 'x' where place = 3"), "rows are not"),
    "edited components": (lambda i: i.db.execute("update components set params = 1"), "rows are not"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_named_with_its_model_and_a_way_out(index, damage, says):
    damage(index)
    first = examine(index)[0]
    assert first.is_damage
    assert ONE.id[:12] in first.where or TWO.id[:12] in first.where
    assert says in first.problem
    assert "lineage" in first.problem
    assert "\n" not in first.problem


def test_rows_of_no_model_are_damage(index):
    index.db.execute("PRAGMA foreign_keys=OFF")
    index.db.execute("delete from models where id = ?", [ONE.id])
    assert any(f.is_damage and "belongs to no model" in f.problem for f in examine(index))


def test_what_a_killed_ingest_leaves_is_a_note(index):
    (index.sketch_folder / ".x.sketch.y.tmp").write_bytes(b"half")
    third = sketched(trained(3))
    write_sketch(third, index.sketch_file(third.id))
    index.db.table("runs").insert({"started": "2026-01-01T00:00:00+00:00", "version": "0"})
    findings = examine(index)
    assert [f.is_damage for f in findings] == [False, False, False]
    assert "interrupted" in " ".join(f.problem for f in findings)


def test_lost_tables_are_damage_though_every_sketch_is_there(index):
    index.close()
    for path in index.folder.glob("lineage.sqlite*"):
        path.unlink()
    (index.folder / "lineage.sqlite").touch()
    with SqliteIndex.open(index.folder) as emptied:
        findings = examine(emptied)
    assert [f.is_damage for f in findings] == [True, True]
    assert all("lineage rebuild" in f.problem for f in findings)


def test_a_cache_that_a_writer_takes_away_meanwhile_is_nothing(index, monkeypatch):
    (cache,) = (index.folder / "vectors").glob("*.segment")
    read = segments.read_segment
    monkeypatch.setattr(segments, "read_segment", lambda path: (read(path), path.unlink())[0])
    assert examine(index) == []
    assert not cache.exists()
    assert examine(index) == []


def test_a_model_that_a_writer_adds_meanwhile_is_no_wrong_total(index, monkeypatch):
    third = sketched(trained(3))

    def told_and_then_added(db):
        found = told(db)
        with SqliteIndex.open(index.folder) as writer:
            writer.add(third, version="0")
        return found

    monkeypatch.setattr("lineage.store.doctor.told", told_and_then_added)
    assert not any(finding.is_damage for finding in examine(index))


def test_a_damaged_cache_is_a_note(index):
    (cache,) = (index.folder / "vectors").glob("*.segment")
    cache.write_bytes(b"")
    (finding,) = examine(index)
    assert not finding.is_damage
    assert finding.where == str(cache)


def test_models_of_another_sketch_family_are_a_note(index):
    as_of_another_family(index, ONE.id)
    assert [f.is_damage for f in examine(index)] == [True]  # its file is of this one
    path = index.sketch_file(ONE.id)
    with safe_open(path, framework="np") as file:
        text = file.metadata()["lineage"].replace(FAMILY, "lineage-0")
    path.write_bytes(save(load(path.read_bytes()), metadata={"lineage": text}))
    (finding,) = [f for f in examine(index) if "family" in f.problem]
    assert not finding.is_damage
    assert [r.id for r in index.models()] == [TWO.id]
    assert len(index) == 1
