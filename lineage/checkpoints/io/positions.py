"""Reads at a position of an open file: one system call where there is one, else a seek and a read, one at a time."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

ReadAt = Callable[[memoryview, int], int]  # (buffer, offset): how many bytes came, 0 at the end; raises OSError


def reader_at(descriptor: int) -> ReadAt:
    """How to read `descriptor` by position, from any thread. The caller closes it, after the last read."""
    return _by_position(descriptor) if hasattr(os, "preadv") else _by_seeking(descriptor)


def _by_position(descriptor: int) -> ReadAt:
    return lambda buffer, offset: os.preadv(descriptor, [buffer], offset)


def _by_seeking(descriptor: int) -> ReadAt:
    """For Windows and old macOS: a position is the file's, so that threads take turns."""
    file = io.FileIO(descriptor, closefd=False)
    turn = threading.Lock()

    def read_at(buffer: memoryview, offset: int) -> int:
        with turn:
            file.seek(offset)
            return file.readinto(buffer) or 0

    return read_at
