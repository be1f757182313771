"""The overview of a folder of sketches: the same with its cache as without, whatever became of the cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lineage.sketch import asked_codes, write_sketch
from lineage.store import SketchFolder, SqliteIndex, folder, kept_sketches
from lineage.store.overview import SUFFIX, kept_overview
from tests.small_models import sketched, trained

MODELS = [sketched(trained(seed), f"net{seed}") for seed in (1, 2, 3)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "index" / "sketches").mkdir(parents=True)
    for model in MODELS:
        write_sketch(model, tmp_path / "index" / "sketches" / f"{model.id}.sketch")
    return tmp_path / "index"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "reference"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the sketch files that were decoded, of which none is kept from one question to the next."""
    made: list[str] = []
    monkeypatch.setattr(folder, "kept_sketches", kept_sketches.KeptSketches(0))
    read = kept_sketches.read_with_checksum
    monkeypatch.setattr(kept_sketches, "read_with_checksum", lambda path: made.append(Path(path).name) or read(path))
    return made


def asked(index: SketchFolder) -> tuple[object, ...]:
    """Everything that a search asks of all models."""
    digests = [t.digest for model in MODELS for t in model.tensors if t.digest]
    nearest = index.nearest(asked_codes(MODELS[0]), "model", 3)
    return index.models(), index.same_digests(digests), nearest, index.count("model")


def only(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def test_with_a_cache_it_is_the_same_and_no_sketch_is_read(home, cache, reads):
    plain = asked(SketchFolder(home))
    assert asked(SketchFolder(home, cache)) == plain
    reads.clear()
    again = SketchFolder(home, cache)
    assert asked(again) == plain
    assert reads == []
    assert again.load(MODELS[0].id).name == "net1"
    assert reads == [f"{MODELS[0].id}.sketch"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:31],
        lambda whole: whole[:-1],
        lambda whole: whole + b"\0",
        lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 128]) + whole[-8:],
        lambda whole: b"\x80\x04}." + whole,
    ],
)
def test_a_damaged_cache_is_made_again(damage: Callable[[bytes], bytes], home, cache):
    plain = asked(SketchFolder(home, cache))
    path = only(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert kept_overview(path) is None
    assert asked(SketchFolder(home, cache)) == plain
    assert kept_overview(only(cache)) is not None


def test_what_the_files_say_now_counts(home, cache):
    SketchFolder(home, cache).models()
    before = only(cache)
    (home / "sketches" / f"{MODELS[2].id}.sketch").unlink()
    assert len(SketchFolder(home, cache).models()) == 2
    assert only(cache) != before


def test_nothing_of_another_user_is_believed(home, cache, monkeypatch):
    SketchFolder(home, cache).models()
    path = only(cache)
    assert kept_overview(path) is not None
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert kept_overview(path) is None
    path.unlink()
    assert len(SketchFolder(home, cache).models()) == 3
    assert list(cache.iterdir()) == []  # nor is anything written where another user could change it


@pytest.mark.parametrize("which", ["file", "folder"])
def test_nothing_that_others_can_write_is_believed(which, home, cache):
    SketchFolder(home, cache).models()
    path = only(cache)
    (path if which == "file" else cache).chmod(0o777)
    assert kept_overview(path) is None


def test_a_link_is_not_followed(home, cache, tmp_path):
    SketchFolder(home, cache).models()
    path = only(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept_overview(path) is None


def test_a_cache_that_cannot_be_written_costs_time_only(home, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert asked(SketchFolder(home, tmp_path / "taken" / "reference")) == asked(SketchFolder(home))


def test_several_at_once_leave_one_whole_cache(home, cache):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: SketchFolder(home, cache).models(), range(16)))
    assert all(one == found[0] for one in found)
    assert [path.suffix for path in cache.iterdir()] == [SUFFIX]
    assert kept_overview(only(cache)) is not None


def test_data_and_cache_in_one_folder_are_no_foreign_things(tmp_path):
    (tmp_path / "lineage" / "reference").mkdir(parents=True)
    with SqliteIndex.create(tmp_path / "lineage") as index:
        assert len(index) == 0
