"""Positioned reads from a regular file, counted, never mapped.

A mapped file that is cut while it is read kills the process with SIGBUS, and its pages count as resident
memory; `preadv` into a fresh buffer does neither and gives a short count instead.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import weakref
from pathlib import Path
from typing import Protocol

from lineage.errors import CheckpointError, Malformed, Truncated
from lineage.types import Meter

_counting = threading.Lock()


class ByteSource(Protocol):
    """A run of bytes that can be read at any position: a file, a stored or an inflated archive member."""

    path: Path
    size: int

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` (bytes) with the bytes from `offset` on; raises CheckpointError if there are too few."""


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
        self._descriptor = _open_regular(path)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated when the file ends first."""
        have = self._read(offset, buffer) if 0 <= offset <= self.size else 0
        if have < len(buffer):
            need = offset + len(buffer)
            raise Truncated(self.path, f"bytes up to {need:,} are needed, the file ends before: download it again")

    def head(self, length: int) -> bytes:
        """Read the first `length` bytes, fewer if the file is shorter."""
        return read(self, 0, min(length, self.size))

    def _read(self, offset: int, buffer: memoryview) -> int:
        done = 0
        try:
            while done < len(buffer):
                got = os.preadv(self._descriptor, [buffer[done:]], offset + done)
                if got == 0:
                    break
                done += got
        except OSError as error:
            raise CheckpointError(self.path, f"cannot be read at byte {offset + done:,}: {error.strerror}") from error
        with _counting:
            self.meter.bytes_read += done
        return done


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


def _open_regular(path: Path) -> int:
    """Open `path` for reading; O_NONBLOCK, so that a pipe put there does not hold us up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unopened(path, error) from error
    except ValueError as error:
        raise CheckpointError(repr(str(path)), "is no path: it holds a NUL byte") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Malformed(path, "is not a regular file (a pipe, device or folder): give a file")
    return descriptor


def _unopened(path: Path, error: OSError) -> CheckpointError:
    if error.errno == errno.ENOENT:
        return CheckpointError(path, "no such file or folder")
    if error.errno == errno.ELOOP:
        return Malformed(path, "is a loop of symbolic links: give the file itself")
    if error.errno in {errno.ENXIO, errno.ENODEV}:
        return Malformed(path, "is not a regular file (a socket or device): give a file")
    return CheckpointError(path, f"cannot be opened: {error.strerror}")
