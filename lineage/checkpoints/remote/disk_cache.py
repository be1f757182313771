"""Ranges of remote files on disk, so that a killed process goes on where it stopped; safe to delete at any time.

One folder a file, named after its address and content; one file an extent, named after its place (`START-STOP`,
hexadecimal): a BLAKE3 digest of 32 bytes, then the bytes. Files appear whole or not at all, and one that is damaged is
fetched again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from bisect import bisect_right, insort
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from lineage.checkpoints.remote.ranges import Extent, Span

MOST_BYTES = 2 << 30  # on disk, over all files
DIGEST = 32
FOLDER = "ranges"
_PLACE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")


class Shelf:
    """The folder below `root` that all kept ranges lie in, and how much of it is used."""

    def __init__(self, root: Path, most: int = MOST_BYTES) -> None:
        self.folder = root / FOLDER
        self._most = most
        self._guard = threading.Lock()
        self._taken = sum(_size(folder) for folder in self._folders())

    def kept(self, key: str) -> Kept:
        """The cached part of the file with this key (any text)."""
        return Kept(self, self.folder / blake3(key.encode()).hexdigest(16))

    def takes(self, size: int, into: Path) -> bool:
        """Whether `size` more bytes fit, after removal of the least recently used folders."""
        with self._guard:
            for folder in self._folders() if self._taken + size > self._most else ():
                if folder != into and self._taken + size > self._most:
                    self._taken -= _size(folder)
                    shutil.rmtree(folder, ignore_errors=True)
            fits = self._taken + size <= self._most
            self._taken += size if fits else 0
            return fits

    def _folders(self) -> list[Path]:
        """All folders, the one that was not used for longest first."""
        with suppress(OSError):
            return sorted((p for p in self.folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        return []


class Kept:
    """The extents of one file on disk. What cannot be written or read is as if it had never been kept."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        self._shelf = shelf
        self._folder = folder
        self._guard = threading.Lock()
        self._spans = sorted(_spans(folder))
        with suppress(OSError):
            os.utime(folder)

    def covers(self, span: Span) -> bool:
        """Whether an extent on disk holds the whole span."""
        found = self._at(span.start)
        return found is not None and found.stop >= span.stop

    def find(self, at: int) -> Extent | None:
        """The extent that holds byte `at`, if it is on disk and sound."""
        span = self._at(at)
        if span is None:
            return None
        with suppress(OSError):
            stored = self._path(span).read_bytes()
            content = stored[DIGEST:]
            if len(content) == span.stop - span.start and stored[:DIGEST] == blake3(content).digest():
                return Extent(span.start, content)
        with self._guard, suppress(ValueError):
            self._spans.remove(span)
        return None

    def add(self, extent: Extent) -> None:
        """Write an extent, if there is room."""
        span = Span(extent.start, extent.stop)
        if self.covers(span) or not self._shelf.takes(DIGEST + len(extent.content), self._folder):
            return
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(handle, "wb") as file:
                file.write(blake3(extent.content).digest() + extent.content)
            Path(scratch).replace(self._path(span))
            with self._guard:
                insort(self._spans, span)

    def _at(self, at: int) -> Span | None:
        with self._guard:
            place = bisect_right(self._spans, (at, 1 << 63)) - 1
            return self._spans[place] if place >= 0 and self._spans[place].stop > at else None

    def _path(self, span: Span) -> Path:
        return self._folder / f"{span.start:x}-{span.stop:x}"


def _spans(folder: Path) -> list[Span]:
    """The extents in a folder, by their names."""
    try:
        matches = [_PLACE.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:
        return []
    return [Span(int(match[1], 16), int(match[2], 16)) for match in matches if match]


def _size(folder: Path) -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0
