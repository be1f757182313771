"""Opening `lineage.sqlite`, and what its errors mean to a person."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database
from sqlite_utils.db import NoTable

from lineage.errors import Locked, Malformed, StoreError
from lineage.store.bad_rows import BadRow
from lineage.store.files import DATABASE

_BUSY_S = 5.0
_LITTLE = 1 << 20  # bytes: a disk with less is called full
_NO_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_CLOSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_OF_THE_DISK = (*_NO_SPACE, *_CLOSED, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM)


def open_database(folder: Path) -> Database:
    """Connect to the index's database: write-ahead log, foreign keys enforced; read-only where the folder is.

    Reading takes no space: where the disk has none for the shared memory of the log, it is done without.
    """
    path = folder / DATABASE
    if not os.access(folder, os.W_OK):
        # Without write permission SQLite cannot make the shared memory of a log; without a log none is needed.
        return _connected(path, "mode=ro" if _log(path).exists() else "immutable=1")
    try:
        return _connected(path, None, "PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if _kind(error) not in _NO_SPACE:
            raise
    if not _log(path).exists() or _log(path).stat().st_size == 0:
        return _connected(path, "immutable=1")
    # The log holds what is not in the database yet: to read it alone takes memory instead of shared memory.
    return _connected(path, None, "PRAGMA locking_mode=EXCLUSIVE")


def _connected(path: Path, mode: str | None, *pragmas: str) -> Database:
    where = path if mode is None else f"file:{quote(str(path))}?{mode}"
    connection = sqlite3.connect(where, timeout=_BUSY_S, uri=mode is not None)
    try:
        for pragma in (*pragmas, "PRAGMA foreign_keys=ON", "PRAGMA temp_store=MEMORY"):
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return Database(connection, execute_plugins=False)


def _log(path: Path) -> Path:
    return path.with_name(f"{DATABASE}-wal")


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into one line each: Locked, Malformed or StoreError."""
    try:
        yield
    except (BadRow, NoTable) as error:
        raise _damaged(folder, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise _meaning(folder, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(folder) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise _closed(folder) from error
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENXIO):
            raise _another(Path(error.filename or folder)) from error
        raise


def require_files(folder: Path) -> None:
    """Raise StoreError where a folder, a pipe or the like lies in the place of the database or of its log."""
    for ending in ("", "-wal", "-shm"):
        path = folder / f"{DATABASE}{ending}"
        if _is_another(path):
            raise _another(path)


def _is_another(path: Path) -> bool:
    """Whether something other than a file is there. The log comes and goes with its readers: one look, not two."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # absent; a link that leads nowhere is not
        return path.is_symlink()


def _another(path: Path) -> StoreError:
    return StoreError(f"{path}: is not what an index has there: take it away, then run `lineage rebuild`")


def is_of_the_disk(error: sqlite3.Error) -> bool:
    """Whether an error comes from the disk, other processes or memory, and so does not show a damaged database."""
    return _kind(error) in _OF_THE_DISK


def _kind(error: sqlite3.Error) -> int:
    """The primary result code; 0 where SQLite gave none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _meaning(folder: Path, error: sqlite3.DatabaseError) -> Exception:
    kind = _kind(error)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Locked(f"{folder}: another process is writing to the index: run this again when it is done")
    if kind == sqlite3.SQLITE_FULL or (kind == sqlite3.SQLITE_IOERR and _has_little_space(folder)):
        return _full(folder)
    if kind == sqlite3.SQLITE_IOERR:
        return StoreError(f"{folder}: the disk failed ({error}): the index is as it was; look after the disk")
    if kind == sqlite3.SQLITE_NOMEM:
        return StoreError(f"{folder}: too little memory to read the index; it is as it was")
    if kind in _CLOSED:
        return _full(folder) if os.access(folder, os.W_OK) and _has_little_space(folder) else _closed(folder)
    return _damaged(folder, str(error))


def _damaged(folder: Path, what: str) -> Malformed:
    return Malformed(folder / DATABASE, f"damaged ({what}): `lineage rebuild` makes it again from the sketches")


def _file_limit() -> bool:
    """Whether this process may not write files of any size."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY


def _has_little_space(folder: Path) -> bool:
    return _file_limit() or shutil.disk_usage(folder).free < _LITTLE


def _full(folder: Path) -> StoreError:
    if _file_limit() and shutil.disk_usage(folder).free >= _LITTLE:
        return StoreError(f"{folder}: files may not grow so far here (`ulimit -f`); the index is as it was")
    free = shutil.disk_usage(folder).free
    return StoreError(
        f"{folder}: the disk is full ({free:,} bytes are free); the index is as it was: free some space and run this"
        " again"
    )


def _closed(folder: Path) -> StoreError:
    return StoreError(f"{folder}: cannot be written: change its permissions, or choose another folder with --index")
