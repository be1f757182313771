"""A model whose content was seen in several layouts, in the index on disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.sketch.layouts import layout_id, names_of
from lineage.store import SqliteIndex, examine, rebuild
from tests.relaid import numbered, renamed, turned
from tests.small_models import sketched, trained, tuned

BASE = trained(1)
ONE = sketched(BASE, "one", path="/a/one")
TWO = sketched(renamed(BASE), "two", path="/a/two")
THREE = sketched(numbered(BASE), "three", path="/a/three")
TURNED = sketched(turned(BASE), "turned", path="/a/turned")
VERSION = "0.0.test"


@pytest.fixture
def index(tmp_path):
    with SqliteIndex.create(tmp_path / "index") as index:
        for sketch in (ONE, TWO, THREE):
            assert index.add(sketch, VERSION)
        index.finish_run()
        yield index


def files(index: SqliteIndex) -> set[str]:
    return {path.name for path in index.sketch_folder.glob("*.sketch")}


def test_each_layout_has_a_file_and_none_is_added_twice(index):
    assert files(index) == {
        f"{ONE.id}.sketch", f"{ONE.id}.{layout_id(TWO)}.sketch", f"{ONE.id}.{layout_id(THREE)}.sketch",
    }  # fmt: skip
    assert not any(index.add(sketch, VERSION) for sketch in (ONE, TWO, THREE))
    assert not index.add(replace(TWO, name="again", path="/b/two"), VERSION)
    (record,) = index.models()
    assert {one.name for one in record.layouts} == {"two", "three"}
    assert {"two", "three", "again", "/b/two"} <= {*record.aliases}


def test_a_lost_layout_is_written_again_and_the_first_one_is_left_alone(index):
    first = index.sketch_file(ONE.id).read_bytes()
    index.sketch_file(ONE.id, layout_id(TWO)).unlink()
    assert [finding.problem.partition(":")[0] for finding in examine(index)] == ["its sketch file is missing"]
    assert index.add(TWO, VERSION)
    index.finish_run()
    assert examine(index) == []
    assert index.sketch_file(ONE.id).read_bytes() == first


def test_a_layout_in_the_place_of_another_is_found(index):
    two, three = (index.sketch_file(ONE.id, layout_id(one)) for one in (TWO, THREE))
    two.write_bytes(three.read_bytes())
    (finding,) = examine(index)
    assert finding.is_damage


def test_what_is_removed_is_gone_in_every_layout(index):
    index.remove(ONE.id)
    assert files(index) == set()
    assert examine(index) == []


def test_a_rebuild_keeps_the_layouts_with_their_names(index):
    before = index.models()
    index.close()
    for ending in ("", "-wal", "-shm"):
        (index.folder / f"lineage.sqlite{ending}").unlink(missing_ok=True)
    assert rebuild(index.folder, VERSION).models == 1
    with SqliteIndex.open(index.folder) as made:
        (record,) = made.models()
        assert [(one.id, one.name) for one in record.layouts] == [(one.id, one.name) for one in before[0].layouts]
        assert examine(made) == []


def test_a_rebuild_names_a_layout_whose_model_is_gone(index):
    index.close()
    index.sketch_file(ONE.id).unlink()
    found = rebuild(index.folder, VERSION)
    assert found.models == 0
    assert all("another layout of a model that is not here" in reason for _, reason in found.left_out)
    assert len(found.left_out) == 2


def test_a_damaged_first_layout_that_is_written_again_is_no_copy(index):
    index.sketch_file(ONE.id).write_bytes(b"")
    assert index.copied(ONE) is None
    assert index.add(ONE, VERSION)
    assert len(files(index)) == 3


def test_copies_are_told_before_they_are_added(index):
    assert index.copied(TURNED) == "one"
    assert index.copied(sketched(tuned(BASE, 2))) is None
    assert index.copied(sketched(turned(tuned(BASE, 2)))) is None


def test_an_index_of_an_older_version_tells_turned_copies_once_it_was_rebuilt(index):
    index.db.execute("update models set content = null")
    index.db.conn.commit()
    assert index.copied(TURNED) is None
    assert index.copied(TWO) == "one"
    index.close()
    rebuild(index.folder, VERSION)
    with SqliteIndex.open(index.folder) as made:
        assert made.copied(TURNED) == "one"
        assert names_of(made.load(ONE.id)) == names_of(ONE)
