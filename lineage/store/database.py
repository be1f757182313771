"""Opening `lineage.sqlite`, and what its errors mean to a person."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from lineage.errors import Locked, Malformed, StoreError
from lineage.store.files import DATABASE

_BUSY_S = 5.0


def open_database(folder: Path) -> Database:
    """Connect to the index's database: write-ahead log, foreign keys enforced; read-only where the folder is."""
    path = folder / DATABASE
    if os.access(folder, os.W_OK):
        connection = sqlite3.connect(path, timeout=_BUSY_S)
    else:
        # Without write permission SQLite cannot make the shared memory of a log; without a log none is needed.
        log = path.with_name(f"{DATABASE}-wal")
        mode = "mode=ro" if log.exists() else "immutable=1"
        connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", timeout=_BUSY_S, uri=True)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal" and os.access(folder, os.W_OK):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return Database(connection, execute_plugins=False)


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into one line each: Locked, Malformed or StoreError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _meaning(folder, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(folder) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise _closed(folder) from error
        raise


def _meaning(folder: Path, error: sqlite3.DatabaseError) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return Locked(f"{folder}: another process is writing to the index: run this again when it is done")
    if "full" in text:
        return _full(folder)
    if "readonly" in text or "unable to open" in text:
        return _closed(folder)
    return Malformed(folder / DATABASE, f"damaged ({text}): `lineage rebuild` makes it again from the sketches")


def _full(folder: Path) -> StoreError:
    return StoreError(f"{folder}: the disk is full; the index is as it was: free some space and run this again")


def _closed(folder: Path) -> StoreError:
    return StoreError(f"{folder}: cannot be written: change its permissions, or choose another folder with --index")
