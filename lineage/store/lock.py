"""One writer at a time; the system frees the lock when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lineage.errors import Locked
from lineage.store.files import take_away

LOCK = "writer.lock"
HOLDER = "writer.pid"
PATIENCE_S = 5.0
"""Longer than one model takes to add, shorter than a person likes to wait."""


@contextmanager
def writing(folder: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the index's writer lock. Raises Locked when another process still has it after `patience_s` seconds."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise Locked(f"{folder}: {_holder(folder)} is writing to the index: run this again when it is done") from None
    try:
        _note_holder(folder / HOLDER)
        yield
    finally:
        lock.release()


def _note_holder(note: Path) -> None:
    """Note which process writes; a pipe or link in the place of the note is deleted, since writing to it may block."""
    if note.is_symlink() or (note.exists() and not note.is_file()):
        take_away(note)
    note.write_text(f"{os.getpid()}\n", encoding="ascii")


def _holder(folder: Path) -> str:
    try:
        if not (folder / HOLDER).is_file():
            return "another process"
        return f"process {int((folder / HOLDER).read_text(encoding='ascii')[:20])}"
    except (OSError, ValueError):
        return "another process"
