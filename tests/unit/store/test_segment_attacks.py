"""Segments that were cut, swapped, linked or filled with anything: time is lost, no answer changes, nothing waits.

A segment is a cache of the sketches: whatever lies in its place, the answers are those of the sketches, an ingest
merges nothing that is damaged, and what is there in the end is sound. Of values that are others in a file of the right
form, the doctor tells.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.errors import StoreError
from lineage.sketch import asked_codes, sketch_tokenizer
from lineage.store import SqliteIndex, examine, rebuild
from tests.small_models import sketched, trained
from tests.systems import needs_linux
from tests.tokenizer_files import pool, tokenizer_json, write
from tests.tokenizer_files import trained as vocabulary

pytestmark = needs_linux
VERSION = "0.0.test"
HUGE = 1 << 40


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = [sketched(trained(seed, layers=1), f"net{seed}", path=f"/a/net{seed}") for seed in range(6)]
    home = tmp_path_factory.mktemp("words")
    words = [write(home / str(i), "tokenizer.json", tokenizer_json(vocabulary(pool(), 1500, i))) for i in (1, 2)]
    kinds = [sketch_tokenizer(open_tokenizer(path)) for path in words]
    return [replace(one, tokenizer=kinds[number % 2]) for number, one in enumerate(made)]


def added(folder: Path, *models) -> Path:
    with SqliteIndex.create(folder) as index:
        for model in models:
            index.add(model, VERSION)
        index.finish_run()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, models) -> Path:
    """An index of three models in one segment."""
    return added(tmp_path_factory.mktemp("whole") / "index", *models[:3])


@pytest.fixture(scope="module")
def other(tmp_path_factory, models) -> Path:
    """The segment of another index, of as many models and codes."""
    (path,) = (added(tmp_path_factory.mktemp("other") / "index", *models[2:5]) / "vectors").iterdir()
    return path


def segment(folder: Path) -> Path:
    (path,) = (folder / "vectors").iterdir()
    return path


def replaced(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def linked(path: Path, to: Path) -> None:
    path.unlink()
    path.symlink_to(to)


def made_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def made_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def filled(path: Path, byte: bytes) -> None:
    content = path.read_bytes()
    head = content.index(b"\n") + 1
    replaced(path, content[:head] + byte * (len(content) - head))


def flipped(path: Path, _: Path) -> None:
    content, draw = bytearray(path.read_bytes()), random.Random(3)
    for _ in range(len(content) // 8):
        content[draw.randrange(content.index(b"\n") + 1, len(content))] = draw.randrange(256)
    replaced(path, bytes(content))


Harm = Callable[[Path, Path], object]
UNREADABLE: dict[str, Harm] = {
    "absent": lambda path, _: path.unlink(),
    "empty": lambda path, _: replaced(path, b""),
    "cut": lambda path, _: replaced(path, path.read_bytes()[:1000]),
    "cut in its head": lambda path, _: replaced(path, path.read_bytes()[:20]),
    "without its last line": lambda path, _: replaced(path, path.read_bytes()[:-1]),
    "of another index": lambda path, other: replaced(path, other.read_bytes()),
    "of an older version": lambda path, _: replaced(path, path.read_bytes().replace(b'"scheme": 2', b'"scheme": 1')),
    "a pipe": lambda path, _: made_pipe(path),
    "a folder": lambda path, _: made_folder(path),
    "endless": lambda path, _: os.truncate(path, HUGE),
    "a link to nothing": lambda path, _: linked(path, Path("nowhere")),
    "a link to itself": lambda path, _: linked(path, path),
    "a link to a device": lambda path, _: linked(path, Path("/dev/zero")),
    "a link to the segment of another index": linked,
}
READABLE: dict[str, Harm] = {
    "flipped": flipped,
    "of nothing but ones": lambda path, _: filled(path, b"\xff"),
    "of nothing but zeros": lambda path, _: filled(path, b"\0"),
}


def near(index: SqliteIndex, models) -> tuple[object, object]:
    return index.nearest(asked_codes(models[0]), "model", 9), index.tokenizers(models[1].tokenizer)


@pytest.mark.parametrize("harm", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_segment_of_these_models_changes_no_answer(tmp_path, models, whole, other, harm):
    folder = shutil.copytree(whole, tmp_path / "index")
    with SqliteIndex.open(folder) as index:
        before = near(index, models)
    harm(segment(folder), other)
    with SqliteIndex.open(folder) as index:
        assert [finding for finding in examine(index) if finding.is_damage] == []
        assert near(index, models) == before
    added(folder, models[5])
    is_sound(folder, models, 4)


@pytest.mark.parametrize("harm", (UNREADABLE | READABLE).values(), ids=(UNREADABLE | READABLE).keys())
@pytest.mark.parametrize("change", ["added", "taken out", "rebuilt"])
def test_what_is_damaged_gets_into_no_sound_segment(tmp_path, models, whole, other, harm, change):
    folder = shutil.copytree(whole, tmp_path / "index")
    harm(segment(folder), other)
    with SqliteIndex.open(folder) as index:
        near(index, models)  # whatever it is, it ends
    is_readable = harm in READABLE.values()
    if change == "added":
        added(folder, models[5])
        mend(folder, is_readable)
        is_sound(folder, models, 4)
    elif change == "rebuilt":
        assert rebuild(folder, VERSION).models == 3
        is_sound(folder, models, 3)
    else:
        with SqliteIndex.open(folder) as index:
            index.remove(models[0].id)
            index.remove(models[1].id)
            index.settle()
        mend(folder, is_readable)
        is_sound(folder, models, 1)


def mend(folder: Path, is_readable: bool) -> None:
    """What is read as a segment, and is another, the doctor calls damage; a rebuild mends it."""
    with SqliteIndex.open(folder) as index:
        damage = [finding.problem for finding in examine(index) if finding.is_damage]
    assert damage in ([], ["is searched and is not what was written: run `lineage rebuild`"])
    if damage:
        assert is_readable
        rebuild(folder, VERSION)


def is_sound(folder: Path, models, count: int) -> None:
    with SqliteIndex.open(folder) as index:
        assert examine(index) == []
        ids = {record.id for record in index.models()}
        assert len(ids) == count
        codes, tokenizers = near(index, models)
        assert {model for model, _ in codes["component"][0]} == ids
        first = {id(model.tokenizer): model.id for model in sorted(models, key=lambda one: one.id, reverse=True)
                 if model.id in ids}  # fmt: skip
        assert [model for model, *_ in tokenizers] == sorted(first.values())


@pytest.mark.parametrize("harm", [None, *UNREADABLE.values()], ids=["sound", *UNREADABLE.keys()])
def test_a_folder_that_cannot_be_written_gives_the_same_answers(tmp_path, models, whole, other, harm, monkeypatch):
    """As on a disk that is mounted to be read: nobody can write, not even root."""
    folder = shutil.copytree(whole, tmp_path / "index")
    with SqliteIndex.open(folder) as index:
        before = near(index, models)
    if harm is not None:
        harm(segment(folder), other)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr("lineage.store.sqlite.writing", cannot_write)
    held = {path.name: path.lstat() for path in (folder / "vectors").iterdir()}
    with SqliteIndex.open(folder) as index:
        assert near(index, models) == before
        assert near(index, models) == before
        assert not [finding for finding in examine(index) if finding.is_damage]
        with pytest.raises(StoreError, match="cannot be written"):
            index.remove(models[0].id)
    assert {path.name: path.lstat() for path in (folder / "vectors").iterdir()}.keys() == held.keys()


def cannot_write(folder: Path, patience_s: float = 0.0):
    raise PermissionError(13, "Permission denied", str(folder))
