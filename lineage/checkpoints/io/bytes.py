"""Positioned reads from a regular file, counted, never mapped; and the folder that it lies in.

A mapped file that is cut while it is read kills the process with SIGBUS, and its pages count as resident
memory; a read into a fresh buffer does neither and gives a short count instead.
"""

from __future__ import annotations

import errno
import functools
import operator
import os
import stat
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from lineage.checkpoints.io.path_safety import inside
from lineage.checkpoints.io.positions import reader_at
from lineage.checkpoints.io.quoting import hub_hint
from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedFormat
from lineage.types import FileSpan, Meter

MAX_ENTRIES = 100_000  # files looked at in one folder
_counting = threading.Lock()

# O_NONBLOCK: opening a pipe must not block. The last two are those of Windows.
_FLAGS = ("O_RDONLY", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
_READING = functools.reduce(operator.or_, (getattr(os, flag, 0) for flag in _FLAGS))


class ByteSource(Protocol):
    """A run of bytes that can be read at any position: a file, a stored or an inflated archive member."""

    path: Path
    size: int

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` (bytes) with the bytes from `offset` on; raises CheckpointError if there are too few."""

    def spans(self, start: int, stop: int, /) -> Iterable[FileSpan]:
        """Where bytes [start, stop) lie in files: nothing for bytes in memory."""


class Folder(Protocol):
    """Files side by side, on disk or on a server, by their names; `path` is what messages call it."""

    path: Path
    meter: Meter

    def files(self) -> list[str]:
        """Names of the files, in order, hidden ones left out. Raises CheckpointError where they cannot be listed."""

    def folders(self) -> Sequence[Folder]:
        """Folders in this one, in the order of names."""

    def holds(self, name: str) -> bool:
        """Whether there is such a file, here or below. Raises Malformed for a name that leads out of the folder."""

    def open(self, name: str) -> PositionedFile:
        """Open a file, here or below. Raises Malformed for a name that leads out of the folder, CheckpointError."""


def read(source: ByteSource, offset: int, length: int) -> bytes:
    """Read `length` bytes at `offset`; the caller has bounded `length`."""
    buffer = bytearray(length)
    source.fill(offset, memoryview(buffer))
    return bytes(buffer)


class PositionedFile:
    """One open regular file, read by position from any thread; every byte is counted into `meter`.

    Raises CheckpointError if there is no such file or it may not be read, Malformed if it is a pipe, a device,
    a folder or a loop of links.
    """

    def __init__(self, path: Path, meter: Meter) -> None:
        self.path = path
        self.meter = meter
        descriptor = _open_regular(path)
        weakref.finalize(self, os.close, descriptor)
        self.size = os.fstat(descriptor).st_size
        self._read_at = reader_at(descriptor)

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated when the file ends first."""
        have = self._read(offset, buffer) if 0 <= offset <= self.size else 0
        if have < len(buffer):
            need = offset + len(buffer)
            raise Truncated(self.path, f"bytes up to {need:,} are needed, the file ends before: download it again")

    def spans(self, start: int, stop: int) -> Iterable[FileSpan]:
        """The bytes themselves, up to the end of the file."""
        return [FileSpan(self, start, min(stop, self.size))]

    @property
    def folder(self) -> Folder:
        """The folder that the file lies in, for the files that it names."""
        return DiskFolder(self.path.parent, self.meter)

    @property
    def homes(self) -> Sequence[tuple[Folder, str]]:
        """The folder that the file lies in and its name there; of a link, then those of the file that it leads to."""
        named, real = self.path, Path(os.path.realpath(self.path))
        return [(DiskFolder(path.parent, self.meter), path.name) for path in dict.fromkeys((named, real))]

    def beside(self, suffix: str, other: str) -> PositionedFile | None:
        """Open the file of the same name with another suffix, None if there is none. Raises CheckpointError.

        A link out of the folder is not followed; what lies beside the file that this one itself leads to is found.
        """
        refused: Malformed | None = None
        for folder, own in self.homes:
            name = own.removesuffix(suffix) + other
            try:
                if folder.holds(name):
                    return folder.open(name)
            except Malformed as error:
                refused = refused or error
        if refused is not None:
            raise refused
        return None

    def head(self, length: int) -> bytes:
        """Read the first `length` bytes, fewer if the file is shorter."""
        return read(self, 0, min(length, self.size))

    def _read(self, offset: int, buffer: memoryview) -> int:
        done = 0
        try:
            while done < len(buffer):
                got = self._read_at(buffer[done:], offset + done)
                if got == 0:
                    break
                done += got
        except OSError as error:
            raise CheckpointError(self.path, f"cannot be read at byte {offset + done:,}: {error.strerror}") from error
        self._count(done)
        return done

    def _count(self, done: int) -> None:
        with _counting:
            self.meter.bytes_read += done


class DiskFolder:
    """A folder on disk."""

    def __init__(self, path: Path, meter: Meter) -> None:
        self.path = path
        self.meter = meter

    def files(self) -> list[str]:
        """Names of the files, in order, without hidden ones. Raises CheckpointError, UnsupportedFormat for too many."""
        return [entry.name for entry in self._entries() if entry.is_file()]

    def folders(self) -> list[DiskFolder]:
        """Folders in this one, links left out."""
        found = (entry for entry in self._entries() if entry.is_dir() and not entry.is_symlink())
        return [DiskFolder(entry, self.meter) for entry in found]

    def holds(self, name: str) -> bool:
        """Whether there is such a file. Raises Malformed for a name that leads out of the folder."""
        return inside(self.path, name).exists()

    def open(self, name: str) -> PositionedFile:
        """Open a file. Raises Malformed for a name that leads out of the folder, CheckpointError."""
        return PositionedFile(inside(self.path, name), self.meter)

    def _entries(self) -> list[Path]:
        try:
            found = sorted(self.path.iterdir())
        except OSError as error:
            raise CheckpointError(self.path, f"cannot be listed: {error.strerror}") from error
        if len(found) > MAX_ENTRIES:
            raise UnsupportedFormat(self.path, f"holds {len(found):,} files: name the checkpoint itself")
        return [entry for entry in found if not entry.name.startswith(".")]


class Window:
    """Part of a source, as a source of its own: a stored archive member."""

    def __init__(self, source: ByteSource, start: int, size: int) -> None:
        self.path = source.path
        self.size = size
        self._source = source
        self._start = start

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated beyond the window."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise Truncated(self.path, f"a part of {self.size:,} bytes is asked for byte {offset + len(buffer):,}")
        self._source.fill(self._start + offset, buffer)

    def spans(self, start: int, stop: int) -> Iterable[FileSpan]:
        """Where bytes [start, stop) of the window lie in files."""
        return self._source.spans(self._start + start, self._start + stop)


def _open_regular(path: Path) -> int:
    """Open `path` for reading."""
    try:
        descriptor = os.open(path, _READING)
    except OSError as error:
        raise _unopened(path, error) from error
    except ValueError as error:
        raise CheckpointError(repr(str(path)), "is not a path: it holds a NUL byte") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Malformed(path, "is not a regular file (a pipe, device or folder): give a file")
    return descriptor


def _unopened(path: Path, error: OSError) -> CheckpointError:
    if error.errno == errno.ENOENT:
        return CheckpointError(path, f"no such file or folder{hub_hint(str(path))}")
    if error.errno == errno.ELOOP:
        return Malformed(path, "is a loop of symbolic links: give the file itself")
    if error.errno in {errno.ENXIO, errno.ENODEV}:
        return Malformed(path, "is not a regular file (a socket or device): give a file")
    return CheckpointError(path, f"cannot be opened: {error.strerror}")
