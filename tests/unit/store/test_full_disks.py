"""Reading takes no space: on a full disk, or where files may not grow, readers answer and writers say what is wrong."""

import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.errors import StoreError
from lineage.store import SqliteIndex, database, examine, rebuild
from lineage.store.database import open_database
from tests.small_models import sketched, trained
from tests.systems import needs_linux

pytestmark = needs_linux
ONE, TWO = sketched(trained(1), "one", path="/a/one"), sketched(trained(2), "two", path="/a/two")
VERSION = "0.0.test"


def made(folder: Path, *, with_log: bool) -> Path:
    """An index with one model; `with_log` leaves what was written last in the log, as a killed writer does."""
    with SqliteIndex.create(folder) as index:
        index.add(TWO, VERSION)
        if with_log:
            index.db.execute("PRAGMA wal_autocheckpoint = 0")
        index.add(ONE, VERSION)
        index.finish_run()
        log = folder / "lineage.sqlite-wal"
        kept = {path: path.read_bytes() for path in (folder / "lineage.sqlite", log)}
    if with_log:
        for path, held in kept.items():
            path.write_bytes(held)
    assert (log.exists() and log.stat().st_size > 0) == with_log
    return folder


def without_room(work: Callable[[Path], object], folder: Path) -> str:
    """What `work` says in a process of its own whose files may have 8 kB, as on a disk that is full."""
    ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_limited, args=(work, folder, theirs))
    process.start()
    theirs.close()
    said: str = ours.recv()
    process.join()
    return said


def _limited(work, folder, pipe):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    try:
        pipe.send(str(work(folder)))
    except BaseException as error:  # told to the test
        pipe.send(f"{type(error).__name__}: {error}")


def listed(folder):
    with SqliteIndex.open(folder) as index:
        return [record.name for record in index.models()]


def examined(folder):
    with SqliteIndex.open(folder) as index:
        return [finding.problem for finding in examine(index) if finding.is_damage]


def asked(folder):
    with SqliteIndex.open(folder) as index:
        return (
            len(index.same_digests([t.digest for t in ONE.tensors])),
            index.load(ONE.id).name,
            len(index.layouts(ONE.id)),
        )


def added(folder):
    with SqliteIndex.open(folder) as index:
        return index.add(sketched(trained(9), "nine"), VERSION)


READS = [(listed, "['one', 'two']"), (examined, "[]"), (asked, f"({len(ONE.tensors)}, 'one', 1)")]


@pytest.mark.parametrize("with_log", [False, True], ids=["whole", "with a log"])
@pytest.mark.parametrize(("work", "said"), READS, ids=lambda one: getattr(one, "__name__", ""))
def test_readers_need_no_space(tmp_path, work, said, with_log):
    folder = made(tmp_path / "index", with_log=with_log)
    assert without_room(work, folder) == said
    assert listed(folder) == ["one", "two"]


@pytest.mark.parametrize("work", [added, lambda folder: rebuild(folder, VERSION)], ids=["add", "rebuild"])
@pytest.mark.parametrize("with_log", [False, True], ids=["whole", "with a log"])
def test_writers_name_what_is_wrong_and_leave_all_as_it_was(tmp_path, work, with_log):
    folder = made(tmp_path / "index", with_log=with_log)
    said = without_room(work, folder)
    assert said.startswith(
        f"StoreError: {folder}: files may not grow so far here (`ulimit -f`); the index is as it was"
    )
    assert "rebuild" not in said
    assert listed(folder) == ["one", "two"]
    assert examined(folder) == []


def failing(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR | 18 << 8, sqlite3.SQLITE_CANTOPEN])
def test_a_full_disk_is_named_and_how_little_is_free(tmp_path, monkeypatch, code):
    index = SqliteIndex.create(tmp_path / "index")
    index.close()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 8192}))
    with pytest.raises(StoreError) as caught, database.plain_errors(index.folder):
        raise failing(code)
    said = str(caught.value)
    assert said == (
        f"{index.folder}: the disk is full (8,192 bytes are free); the index is as it was: free some space and run this"
        " again"
    )
    assert caught.value.exit_code == 1


def test_a_failing_disk_is_no_damage(tmp_path):
    with pytest.raises(StoreError, match="the disk failed") as caught, database.plain_errors(tmp_path):
        raise failing(sqlite3.SQLITE_IOERR)
    assert caught.value.exit_code == 1


def test_no_memory_is_no_damage(tmp_path):
    with pytest.raises(StoreError, match="too little memory"), database.plain_errors(tmp_path):
        raise failing(sqlite3.SQLITE_NOMEM)


@pytest.mark.parametrize("with_log", [False, True])
def test_a_reader_without_shared_memory_sees_the_last_of_the_log(tmp_path, monkeypatch, with_log):
    folder = made(tmp_path / "index", with_log=with_log)
    real = database._connected

    def refusing(path, mode, *pragmas):
        if mode is None and "journal_mode" in pragmas[0]:
            raise failing(sqlite3.SQLITE_IOERR)
        return real(path, mode, *pragmas)

    monkeypatch.setattr(database, "_connected", refusing)
    db = open_database(folder)
    assert {row["name"] for row in db.table("models").rows} == {"one", "two"}
    db.close()
    assert not (folder / "lineage.sqlite-shm").exists() or (folder / "lineage.sqlite-shm").stat().st_size == 0


def test_on_a_small_disk_that_is_full(tmp_path):
    """A disk of its own, where this system lets a test make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=4m tmpfs '{disk}' 2>/dev/null") != 0:
        pytest.skip("no disk can be made here")
    try:
        folder = made(disk / "index", with_log=True)
        file = os.open(disk / "filled", os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while os.write(file, bytes(4096)):
                pass
        os.close(file)
        os.truncate(disk / "filled", (disk / "filled").stat().st_size - 8192)
        assert listed(folder) == ["one", "two"]
        assert examined(folder) == []
        with pytest.raises(StoreError, match="the disk is full"):
            added(folder)
        with pytest.raises(StoreError, match="the disk is full"):
            rebuild(folder, VERSION)
        (disk / "filled").unlink()
        assert examined(folder) == []
        assert added(folder)
    finally:
        os.system(f"umount '{disk}'")


def test_names_travel_whatever_room_there_is(tmp_path):
    folder = made(tmp_path / "index", with_log=False)
    with SqliteIndex.open(folder) as index:
        assert index.add(replace(ONE, name="other"), VERSION) is False
    assert without_room(lambda f: [r.aliases for r in SqliteIndex.open(f).models()], folder) == "[('other',), ()]"
