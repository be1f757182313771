"""The segments of an index on disk: appended to, merged, lost and made again."""

from __future__ import annotations

import pytest

from lineage.sketch import asked_codes
from lineage.store import SqliteIndex, examine, searching
from lineage.store.lock import writing
from tests.small_models import sketched, trained

MODELS = [sketched(trained(seed, layers=1), f"net{seed}") for seed in range(6)]
ASKED = asked_codes(MODELS[0])


def held(folder) -> list[str]:
    return sorted(path.name for path in (folder / "vectors").iterdir())


def nearest(index: SqliteIndex) -> set[str]:
    return {model for model, _ in index.nearest(ASKED, "model", 99)["component"][0]}


def added(folder, models) -> None:
    with SqliteIndex.create(folder) as index:
        for model in models:
            index.add(model, "0.0.test")
        index.finish_run()


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Ids of the models whose sketches were read."""
    made: list[str] = []
    load = SqliteIndex.load
    monkeypatch.setattr(SqliteIndex, "load", lambda self, model: made.append(model) or load(self, model))
    return made


def test_a_small_ingest_leaves_a_large_segment_alone(tmp_path):
    added(tmp_path, MODELS[:5])
    (before,) = held(tmp_path)
    written = (tmp_path / "vectors" / before).stat().st_mtime_ns
    added(tmp_path, MODELS[5:])
    assert len(held(tmp_path)) == 2
    assert (tmp_path / "vectors" / before).stat().st_mtime_ns == written
    with SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS}


def test_small_ones_are_merged(tmp_path, reads):
    for model in MODELS:
        added(tmp_path, [model])
    assert len(held(tmp_path)) <= 2
    with SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS}
        assert examine(index) == []
    assert reads == []


def test_what_was_taken_out_is_not_found_and_goes_at_last(tmp_path):
    added(tmp_path, MODELS)
    with SqliteIndex.open(tmp_path) as index:
        for gone in MODELS[:3]:
            index.remove(gone.id)
        assert nearest(index) == {model.id for model in MODELS[3:]}
        before = held(tmp_path)
        index.remove(MODELS[3].id)
        index.settle()
        assert held(tmp_path) != before
        assert nearest(index) == {model.id for model in MODELS[4:]}
        index.add(MODELS[0], "0.0.test")
        assert nearest(index) == {model.id for model in (*MODELS[4:], MODELS[0])}
        assert examine(index)[0].problem.startswith("the ingest of")


def test_the_last_one_leaves_nothing(tmp_path):
    added(tmp_path, MODELS[:1])
    with SqliteIndex.open(tmp_path) as index:
        index.remove(MODELS[0].id)
        index.settle()
        assert (nearest(index), held(tmp_path)) == (set(), [])


@pytest.mark.parametrize("harm", ["unlink", "cut", "row"])
def test_a_lost_segment_is_made_again_from_the_sketches(tmp_path, reads, harm):
    added(tmp_path, MODELS)
    (path,) = (tmp_path / "vectors").iterdir()
    if harm == "unlink":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with SqliteIndex.open(tmp_path) as index:
        if harm == "row":
            index.db.execute("update segments set name = '../../elsewhere'")
            index.db.execute("update models set segment = '../../elsewhere'")
            index.db.conn.commit()
        assert nearest(index) == {model.id for model in MODELS}
    assert sorted(reads) == sorted(model.id for model in MODELS)
    reads.clear()
    with SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS}
        assert examine(index) == []
    assert reads == []


def test_a_killed_ingest_is_made_up_for_by_whoever_asks(tmp_path, reads):
    added(tmp_path, MODELS[:3])
    with SqliteIndex.create(tmp_path) as index:
        index.add(MODELS[3], "0.0.test")  # and no end of the run
    with SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS[:4]}
    assert reads == [MODELS[3].id]


def test_beside_a_writer_a_question_keeps_what_is_lacking_in_memory(tmp_path):
    added(tmp_path, MODELS[:3])
    (tmp_path / "vectors" / held(tmp_path)[0]).unlink()
    with writing(tmp_path), SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS[:3]}
        assert held(tmp_path) == []


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    added(tmp_path, MODELS[:3])
    for path in (tmp_path / "vectors").iterdir():
        path.unlink()
    (tmp_path / "vectors").rmdir()
    (tmp_path / "vectors").write_text("a file where the folder should be")
    with SqliteIndex.open(tmp_path) as index:
        assert nearest(index) == {model.id for model in MODELS[:3]}


def test_a_reader_that_has_seen_old_rows_looks_again(tmp_path, monkeypatch):
    added(tmp_path, MODELS[:3])
    with SqliteIndex.open(tmp_path) as reader:
        rows = searching.Searching._rows
        looks: list[int] = []

        def late(self, kind):
            found = rows(self, kind)
            looks.append(1)
            if len(looks) == 1:
                added(tmp_path, MODELS[3:])  # while the reader is between two looks
            return found

        monkeypatch.setattr(searching.Searching, "_rows", late)
        found = reader._searching.nearest(ASKED, "model", 99)["component"][0]
        assert {model for model, _ in found} == {model.id for model in MODELS}


def test_many_additions_do_not_wait_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("lineage.store.sqlite._MOST_NOTED", 2)
    with SqliteIndex.create(tmp_path) as index:
        for model in MODELS:
            index.add(model, "0.0.test")
        assert index._searching.noted < 2
        assert held(tmp_path)


def test_caches_of_older_versions_go_and_other_files_stay(tmp_path):
    added(tmp_path, MODELS[:1])
    other, *old = (tmp_path / "vectors" / name for name in ("notes.txt", "ab.vectors", "ab.tokenizers"))
    for path in (other, *old):
        path.touch()
    added(tmp_path, MODELS[1:])
    assert other.exists()
    assert not any(path.exists() for path in old)
