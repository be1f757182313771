"""A cache on disk of what does not depend on the question: known models compared, and found near one another.

The file `comparisons/known.sqlite` in the folder of the user's index: one table of comparisons (`comparison_bytes`) and
of lists of ids, each under the digest of all that decides it. It can be deleted at any time; what is damaged, or of
other code, is ignored, and the oldest make room for new ones. What cannot be written costs time, nothing else.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Hashable, Iterator, Sequence
from contextlib import closing, suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blake3 import blake3

from lineage.store.comparison_bytes import FAULTS, from_bytes, to_bytes
from lineage.store.database import is_of_the_disk
from lineage.store.files import COMPARISONS, take_away
from lineage.store.kept_sketches import file_checksum
from lineage.types import CheckpointSketch, Comparison

KNOWN = "known.sqlite"
_TABLE = "CREATE TABLE comparisons (number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, held BLOB NOT NULL)"
_DIGEST = 16  # bytes of a key, and before what is held the digest of both
_MOST_BYTES = 64 << 20  # of one comparison
_PAGE = 4096
_DECIDING = (
    "types", "anatomy", "sketch", "match", "store", "ancestry/pair", "ancestry/candidates.py",
    "ancestry/trees/roundings.py", "checkpoints/decode",
)  # fmt: skip
"""The code, thresholds among it, that decides what is kept."""
_FAULTS = (sqlite3.Error, UnicodeError)  # SQLite quotes what is damaged, in bytes that may be no text
_WAIT_S = 2.0
_AT_ONCE = 16 << 20  # bytes of new comparisons that wait in memory


class ComparisonCache:
    """The comparisons that are kept in the folder of an index, of at most `most_bytes`.

    For one thread. A forked process opens the file anew; what waits to be written is written by who made it.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._place = folder / COMPARISONS / KNOWN
        self._most_bytes = most_bytes
        self._reader: sqlite3.Connection | None = None
        self._of_parent: sqlite3.Connection | None = None
        self._is_absent = False
        self._process = os.getpid()
        self._new: dict[bytes, bytes] = {}
        self._waiting = 0

    def found(self, a: CheckpointSketch, b: CheckpointSketch) -> Comparison | None:
        """The comparison of query `a` with reference `b`; None where it is not kept, or they are not known models."""
        key = _key(a, b)
        held = None if key is None else self._read(key)
        if held is None:
            return None
        with suppress(*FAULTS):
            return from_bytes(held, a, b)
        return None

    def note(self, a: CheckpointSketch, b: CheckpointSketch, made: Comparison) -> None:
        """Keep a comparison that was made, if both are known models: on disk with the next `write`."""
        key = _key(a, b)
        if key is None:
            return
        with suppress(*FAULTS):
            self._keep(key, to_bytes(made, a, b))

    def relatives(self, model: CheckpointSketch, state: Hashable) -> list[str] | None:
        """The ids that a search for a known model found in an index while it was in that state; None if not kept."""
        ids = self._told(model, ("relatives", state))
        return ids if isinstance(ids, list) and all(isinstance(one, str) for one in ids) else None

    def note_relatives(self, model: CheckpointSketch, state: Hashable, found: Sequence[str]) -> None:
        """Keep what a search for a known model found."""
        self._note(model, ("relatives", state), found)

    def is_on_levels(self, model: CheckpointSketch) -> bool | None:
        """Whether a known model was found to lie on few levels; None if not kept."""
        said = self._told(model, "levels")
        return said if isinstance(said, bool) else None

    def note_levels(self, model: CheckpointSketch, found: bool) -> None:
        """Keep whether a known model lies on few levels."""
        self._note(model, "levels", found)

    def _told(self, model: CheckpointSketch, about: Hashable) -> Any:
        key = _key_of_model(model, about)
        held = None if key is None else self._read(key)
        with suppress(*FAULTS):
            return None if held is None else json.loads(held)
        return None

    def _note(self, model: CheckpointSketch, about: Hashable, value: Any) -> None:
        key = _key_of_model(model, about)
        if key is not None:
            self._keep(key, json.dumps(value).encode())

    def write(self) -> None:
        """Write what was noted; the oldest make room."""
        self._of_this_process()
        new, self._new, self._waiting = self._new, {}, 0
        self._close()
        if new:
            _write(self._place, new, self._most_bytes)

    def _keep(self, key: bytes, held: bytes) -> None:
        self._of_this_process()
        self._new[key] = _sealed(key, held)
        self._waiting += len(held)
        if self._waiting > _AT_ONCE:
            self.write()

    def _read(self, key: bytes) -> bytes | None:
        self._of_this_process()
        if key in self._new:
            return _unsealed(key, self._new[key])
        try:
            if self._reader is None and not self._is_absent:
                self._reader = _opened(self._place, "ro")
                self._is_absent = self._reader is None
            if self._reader is None:
                return None
            row = self._reader.execute("SELECT held FROM comparisons WHERE key = ?", [key]).fetchone()
        except _FAULTS:  # damaged, or another process writes for long
            self._close()
            self._is_absent = True
            return None
        return None if row is None or not isinstance(row[0], bytes) else _unsealed(key, row[0])

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._is_absent = None, False

    def _of_this_process(self) -> None:
        """Open the file anew and leave what waits to the process that noted it, after a fork."""
        if self._process != os.getpid():
            self._of_parent, self._reader = self._reader, None  # closing it is not for this process
            self._process, self._new, self._waiting = os.getpid(), {}, 0


def is_sound_cache(place: Path) -> bool:
    """Whether a file holds comparisons, by whatever code they were made, all of them as they were written."""
    try:
        reader = _opened(place, "ro")
        if reader is None:
            return False
        with closing(reader):
            whole = reader.execute("PRAGMA quick_check").fetchone() == ("ok",)
            rows = reader.execute("SELECT key, held FROM comparisons")
            kept = (isinstance(k, bytes) and isinstance(v, bytes) and _unsealed(k, v) is not None for k, v in rows)
            return whole and all(kept)
    except _FAULTS as error:
        return _is_in_use(error)


def _key(a: CheckpointSketch, b: CheckpointSketch) -> bytes | None:
    """The digest of all that decides a comparison: the code, and the files of both sketches; None if one has none."""
    ours, theirs = file_checksum(a), file_checksum(b)
    if ours is None or theirs is None or a.declared or b.declared:  # a declared parent is a cue
        return None
    return blake3(_code() + ours + theirs).digest(_DIGEST)


def _key_of_model(model: CheckpointSketch, about: Hashable) -> bytes | None:
    """The digest of all that decides a fact about a model; None if it was not read from an index."""
    own = file_checksum(model)
    return None if own is None else blake3(_code() + own + repr(about).encode()).digest(_DIGEST)


@cache
def _code() -> bytes:
    """BLAKE3 (32 bytes) of the version, of NumPy's, and of the files of the code that decides a comparison."""
    import numpy as np

    from lineage import __version__

    hasher = blake3(f"{__version__} {np.__version__}".encode())
    root = resources.files("lineage")
    for name, file in sorted(found for folder in _DECIDING for found in _files(root.joinpath(folder), folder)):
        hasher.update(f"\n{name}\n".encode())
        hasher.update(file.read_bytes())
    return hasher.digest()


def _files(place: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    if place.name.endswith((".py", ".toml")):
        yield name, place
    elif place.is_dir() and place.name != "__pycache__":
        for one in place.iterdir():
            yield from _files(one, f"{name}/{one.name}")


def _sealed(key: bytes, held: bytes) -> bytes:
    return blake3(key + held).digest(_DIGEST) + held


def _unsealed(key: bytes, kept: bytes) -> bytes | None:
    """What is held under a key; None where it is not what was written."""
    held = kept[_DIGEST:]
    return held if len(kept) <= _MOST_BYTES and kept[:_DIGEST] == blake3(key + held).digest(_DIGEST) else None


def _opened(place: Path, mode: str) -> sqlite3.Connection | None:
    """A connection to a file of this table and nothing else, so that no schema runs anything; None without one.

    Raises sqlite3.Error where the disk or another process is in the way.
    """
    if not _is_file(place) or _is_in_the_way(place.with_name(f"{KNOWN}-journal")):
        return None
    opened = sqlite3.connect(f"file:{quote(str(place))}?mode={mode}", timeout=_WAIT_S, uri=True)
    try:
        opened.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "synchronous=OFF", "temp_store=MEMORY"):
            opened.execute(f"PRAGMA {pragma}")
        schema = opened.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        if schema == [(_TABLE,)]:
            return opened
    except _FAULTS as error:
        if _is_in_use(error):
            opened.close()
            raise
    opened.close()
    return None


def _write(place: Path, new: dict[bytes, bytes], most_bytes: int) -> None:
    """Add to the file, which is made, or made again where it is not sound; nothing where that is impossible."""
    some = [*_fitting(new, most_bytes // 2)]
    with suppress(OSError, *_FAULTS):
        place.parent.mkdir(exist_ok=True)
        if _is_file(place) and place.stat().st_size > most_bytes:  # the setting was lowered
            take_away(place)
        try:
            _add(place, some, most_bytes // _PAGE)
        except _FAULTS as error:  # damage that a look at the schema does not show
            if not _is_in_use(error):
                take_away(place)
                _add(place, some, most_bytes // _PAGE)


def _fitting(new: dict[bytes, bytes], room: int) -> Iterator[tuple[bytes, bytes]]:
    """The first comparisons that fit into some bytes."""
    for key, held in new.items():
        room -= len(held) + _PAGE
        if room >= 0:
            yield key, held


def _add(place: Path, new: Sequence[tuple[bytes, bytes]], pages: int) -> None:
    """Add comparisons in one step; where that takes too much room, the oldest go first, an eighth more than needed."""
    opened = _opened(place, "rw")
    if opened is None:
        _make(place)
        opened = _opened(place, "rw")
    if opened is None:
        return
    with closing(opened), opened:
        opened.execute(f"PRAGMA max_page_count={pages}")
        opened.execute("BEGIN IMMEDIATE")
        size = sum(len(held) + _PAGE for _, held in new)
        free = (pages - _pages(opened, "page_count") + _pages(opened, "freelist_count")) * _PAGE
        if size > free:
            _make_room(opened, size - free + pages * _PAGE // 8)
        opened.executemany("INSERT OR REPLACE INTO comparisons (key, held) VALUES (?, ?)", new)


def _make(place: Path) -> None:
    """An empty file, seen as a whole; what was in its place, and beside it, is taken away."""
    from tempfile import mkstemp

    handle, scratch = mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".tmp")
    os.close(handle)
    try:
        with closing(sqlite3.connect(scratch)) as made:
            made.execute(f"PRAGMA page_size={_PAGE}")
            made.execute(_TABLE)
        take_away(place.with_name(f"{KNOWN}-journal"))
        if not _is_file(place):
            take_away(place)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(place)
    finally:
        Path(scratch).unlink(missing_ok=True)
        Path(f"{scratch}-journal").unlink(missing_ok=True)


def _pages(opened: sqlite3.Connection, count: str) -> int:
    return int(opened.execute(f"PRAGMA {count}").fetchone()[0])


def _make_room(opened: sqlite3.Connection, size: int) -> None:
    """Delete the oldest comparisons of `size` bytes."""
    gone, last = 0, -1
    for number, length in opened.execute("SELECT number, length(held) FROM comparisons ORDER BY number"):
        gone, last = gone + length, number
        if gone >= size:
            break
    opened.execute("DELETE FROM comparisons WHERE number <= ?", [last])


def _is_in_use(error: Exception) -> bool:
    """Whether another process or the disk is in the way, rather than damage, which may look like a later format."""
    if not isinstance(error, sqlite3.Error):
        return False
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return is_of_the_disk(error) and kind not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _is_file(place: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(place.lstat().st_mode)
    return False


def _is_in_the_way(place: Path) -> bool:
    """Whether something other than a file lies there."""
    return os.path.lexists(place) and not _is_file(place)
