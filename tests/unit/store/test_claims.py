"""What was handed over is kept apart, is held against what is known, and makes room for the weights."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import Malformed
from lineage.sketch import asked_codes, read_sketch, write_sketch
from lineage.sketch.layouts import content_id, layout_id
from lineage.store import SqliteIndex, claims, contradicted, examine, rebuild
from tests.small_models import sketched, trained, tuned

VERSION = "0.0.test"
BASE = trained(1)
A, D = sketched(BASE, "a", path="/a"), sketched(trained(2), "d", path="/d")
NAMES = {tensor.name: f"t{i}" for i, tensor in enumerate(A.tensors)}
OTHER = replace(A, name="other", path="/other", tensors=tuple(replace(t, name=NAMES[t.name]) for t in A.tensors))


def handed(sketch, name, path=""):
    return replace(sketch, name=name, path=path or f"/from/{name}.sketch", weights_seen=False)


def forged(digests, figures):
    tensors = tuple(
        replace(b, digest=a.digest, band_digest=a.band_digest)
        for a, b in zip(digests.tensors, figures.tensors, strict=True)
    )
    return replace(figures, id=content_id(tensors, digests.depth), tensors=tensors, weights_seen=False)


SQUATTER = replace(forged(A, D), name="squatter", path="/from/squatter.sketch")


@pytest.fixture
def index(tmp_path):
    with SqliteIndex.create(tmp_path / "index") as index:
        yield index


def files(index):
    return {str(path.relative_to(index.folder)) for path in index.folder.glob("*/*.sketch")}


def clean(index):
    index.finish_run()
    return [finding for finding in examine(index) if finding.is_damage] == []


def test_what_is_handed_over_lies_apart_and_is_told(index):
    index.add(D, VERSION)
    assert index.add(handed(A, "claim"), VERSION)
    assert {r.name: r.weights_seen for r in index.models()} == {"d": True, "claim": False}
    assert index.load(A.id).weights_seen is False
    assert files(index) == {f"sketches/{D.id}.sketch", f"handed-over/{A.id}.sketch"}
    assert clean(index)


def test_the_same_sketch_again_is_another_name_of_it(index):
    index.add(handed(A, "claim"), VERSION)
    assert not index.add(handed(A, "again"), VERSION)
    (record,) = index.models()
    assert "again" in record.aliases
    assert record.weights_seen is False


def test_weights_take_the_place_of_what_agrees_and_keep_its_names(index):
    index.add(handed(A, "claim"), VERSION)
    assert contradicted(index, A) is None
    assert index.add(A, VERSION)
    (record,) = index.models()
    assert (record.name, record.weights_seen) == ("a", True)
    assert record.aliases == ("/from/claim.sketch", "claim")
    assert files(index) == {f"sketches/{A.id}.sketch"}
    assert not index.add(A, VERSION)
    assert clean(index)


def test_weights_take_the_place_of_what_contradicts_them_and_nothing_of_it_stays(index):
    index.add(SQUATTER, VERSION)
    index.settle()
    assert SQUATTER.id == A.id
    assert contradicted(index, A) == ("squatter", "values")
    assert index.add(A, VERSION)
    (record,) = index.models()
    assert (record.name, record.aliases, record.weights_seen) == ("a", (), True)
    assert (index.load(A.id).tensors[0].values == A.tensors[0].values).all()
    assert contradicted(index, A) is None
    for asked in (index, SqliteIndex.open(index.folder)):
        (own,), (other,) = (asked.nearest(asked_codes(one), "model", 1)["component"][0] for one in (A, D))
        assert own[0] == other[0] == A.id
        assert own[1] > other[1]
    asked.close()
    assert clean(index)


@pytest.mark.parametrize("first", [A, handed(A, "first")], ids=["weights", "sketch"])
def test_a_claim_that_contradicts_what_is_there_is_refused(index, first):
    index.add(first, VERSION)
    before = index.models(), files(index)
    with pytest.raises(Malformed, match=f"squatter.sketch: has different values from {first.name}, .* forged"):
        index.add(SQUATTER, VERSION)
    assert (index.models(), files(index)) == before
    assert clean(index)


def test_a_claim_of_another_layout_stays_a_claim_beside_the_weights(index):
    for sketches in ([A, handed(OTHER, "other")], [handed(OTHER, "other"), A]):
        folder = index.folder.parent / sketches[0].name
        with SqliteIndex.create(folder) as made:
            for one in sketches:
                made.add(one, VERSION)
            (record,) = made.models()
            assert record.weights_seen is True
            assert [(one.id, one.weights_seen) for one in record.layouts] == [(layout_id(OTHER), False)]
            assert {one.weights_seen for one in made.layouts(A.id)} == {True, False}
            assert f"handed-over/{A.id}.{layout_id(OTHER)}.sketch" in files(made)
            assert clean(made)
            assert made.add(OTHER, VERSION)
            assert made.models()[0].layouts[0].weights_seen is True
            assert files(made) == {f"sketches/{A.id}.sketch", f"sketches/{A.id}.{layout_id(OTHER)}.sketch"}
            assert clean(made)


def test_a_rebuild_knows_what_was_handed_over_even_without_tables(index):
    index.add(D, VERSION)
    index.add(handed(A, "claim"), VERSION)
    index.add(handed(OTHER, "other"), VERSION)
    index.finish_run()
    before = index.models()
    index.close()
    rebuild(index.folder, VERSION)
    with SqliteIndex.open(index.folder) as again:
        assert again.models() == before
    for path in index.folder.glob("lineage.sqlite*"):
        path.unlink()
    rebuild(index.folder, VERSION)
    with SqliteIndex.open(index.folder) as again:
        assert {r.name: r.weights_seen for r in again.models()} == {"d": None, "claim": False}
        assert again.add(D, VERSION) is False
        assert {r.name: r.weights_seen for r in again.models()} == {"d": True, "claim": False}
        again.remove(A.id)
        assert list((index.folder / "handed-over").iterdir()) == []


def of_unknown_origin(index):
    index.db.execute("update models set weights_seen = null")
    index.db.execute("update layouts set weights_seen = null")


def test_weights_vouch_for_what_is_of_unknown_origin(index):
    index.add(A, VERSION)
    of_unknown_origin(index)
    assert not index.add(replace(A, name="b"), VERSION)
    assert index.models()[0].weights_seen is True
    of_unknown_origin(index)
    assert index.add(OTHER, VERSION)
    assert [index.models()[0].weights_seen, index.models()[0].layouts[0].weights_seen] == [True, True]
    assert clean(index)


def test_weights_drive_out_what_is_of_unknown_origin_and_contradicts_them(index):
    index.add(replace(SQUATTER, weights_seen=True), VERSION)
    of_unknown_origin(index)
    assert contradicted(index, A) is not None
    assert index.add(A, VERSION)
    (record,) = index.models()
    assert (record.name, record.aliases, record.weights_seen) == ("a", (), True)
    assert clean(index)


def test_a_claim_cannot_mend_the_lost_file_of_weights_unseen(index):
    index.add(A, VERSION)
    index.sketch_file(A.id).unlink()
    assert index.add(handed(A, "claim"), VERSION)
    assert index.models()[0].weights_seen is False
    assert index.load(A.id).weights_seen is False
    assert clean(index)


@pytest.mark.parametrize("step", range(7))
def test_a_replacement_that_is_cut_off_anywhere_leaves_a_whole_index(index, monkeypatch, step):
    """Cut off at a step that reaches the disk, as a kill would; the seventh comes after the last."""
    index.add(handed(OTHER, "claim"), VERSION)
    index.add(D, VERSION)
    index.finish_run()
    steps = iter(range(100))

    def cut(real):
        def step_or_end(*args, **kwargs):
            if next(steps) == step:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return step_or_end

    monkeypatch.setattr(os, "fsync", cut(os.fsync))
    monkeypatch.setattr(claims, "insert_model", cut(claims.insert_model))
    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, cut(getattr(Path, name)))
    with suppress(KeyboardInterrupt):
        index.add(A, VERSION)
        assert step == 6
    monkeypatch.undo()
    with SqliteIndex.open(index.folder) as again:
        assert [f for f in examine(again) if f.is_damage] == []
        assert {r.id: r.weights_seen for r in again.models()} in ({A.id: True, D.id: True}, {A.id: False, D.id: True})
        again.add(A, VERSION)
        again.finish_run()
        assert {r.name: r.weights_seen for r in again.models()} == {"a": True, "d": True}
        assert clean(again)


def test_an_edited_claim_is_damage(index):
    index.add(handed(A, "claim"), VERSION)
    path = index.sketch_file(A.id, None, False)
    write_sketch(replace(read_sketch(path), name="x"), path)
    assert not clean(index)


def test_a_layout_with_other_figures_is_damage(index):
    index.add(A, VERSION)
    index.add(OTHER, VERSION)
    path = index.sketch_file(A.id, layout_id(OTHER))
    tensors = tuple(replace(t, stats=replace(t.stats, mean=t.stats.mean + t.stats.std)) for t in OTHER.tensors)
    digest = write_sketch(replace(OTHER, tensors=tensors), path)
    index.db.execute("update layouts set file_sha256 = ?", [digest])
    assert not clean(index)
    assert any("first layout" in finding.problem or "cannot be read" in finding.problem for finding in examine(index))


def test_tuned_models_are_no_claims_of_each_other(index):
    index.add(A, VERSION)
    assert index.add(handed(sketched(tuned(BASE, 5), "tuned"), "tuned"), VERSION)
    assert len(index) == 2
