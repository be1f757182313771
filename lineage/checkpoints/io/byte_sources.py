"""Sources of bytes that are not simply a file: pieces joined together, and bytes that take decoding."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from cachetools import LRUCache

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.errors import Malformed, Truncated
from lineage.types import FileSpan

KEPT = 4  # decoded runs held at a time: one a thread, for the usual number of threads
MAX_DECODED = 1 << 30  # bytes that one decoded run may take in memory


class Memory:
    """Bytes in memory."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.size = len(content)
        self._content = memoryview(content)

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on; the caller ensures that this lies within the source."""
        buffer[:] = self._content[offset : offset + len(buffer)]

    def spans(self, _start: int, _stop: int) -> Iterable[FileSpan]:
        """Nothing: the bytes are here."""
        return ()


class Repeating:
    """The bytes of another source, and then its last `width` bytes again and again, `size` in all."""

    def __init__(self, source: ByteSource, width: int, size: int) -> None:
        self.path = source.path
        self.size = size
        self._source = source
        self._width = width

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated beyond the end."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise Truncated(self.path, f"a part of {self.size:,} bytes is asked for byte {offset + len(buffer):,}")
        held = min(len(buffer), max(0, self._source.size - offset))
        if held:
            self._source.fill(offset, buffer[:held])
        if held < len(buffer):
            last = np.frombuffer(read(self._source, self._source.size - self._width, self._width), np.uint8)
            phase = (offset + held - self._source.size) % self._width
            buffer[held:] = np.resize(np.roll(last, -phase), len(buffer) - held).data

    def spans(self, start: int, stop: int) -> Iterable[FileSpan]:
        """Where bytes [start, stop) lie in files, up to the last byte that is there once."""
        size = self._source.size
        return self._source.spans(min(start, size - self._width), min(stop, size))


class Joined:
    """Several sources, one after the other, as one."""

    def __init__(self, path: Path, parts: Sequence[ByteSource]) -> None:
        self.path = path
        self._parts = parts
        self._starts = list(accumulate((part.size for part in parts), initial=0))
        self.size = self._starts[-1]

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated beyond the last source."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise Truncated(self.path, f"a part of {self.size:,} bytes is asked for byte {offset + len(buffer):,}")
        part, done = bisect_right(self._starts, offset) - 1, 0
        while done < len(buffer):
            at = offset + done - self._starts[part]
            length = min(self._parts[part].size - at, len(buffer) - done)
            if length:
                self._parts[part].fill(at, buffer[done : done + length])
            done, part = done + length, part + 1

    def spans(self, start: int, stop: int) -> Iterable[FileSpan]:
        """Where bytes [start, stop) lie in files, part by part."""
        part = bisect_right(self._starts, start) - 1
        while start < stop and part < len(self._parts):
            at = start - self._starts[part]
            length = min(self._parts[part].size - at, stop - start)
            if length:
                yield from self._parts[part].spans(at, at + length)
            start, part = start + length, part + 1


class Recent:
    """The last few decoded runs of one file, by key."""

    def __init__(self) -> None:
        self._held: LRUCache[str, bytes] = LRUCache(KEPT)
        self._lock = threading.RLock()  # what is decoded may be made from what was decoded

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Give the run of that key, decoded now if it is not held."""
        with self._lock:
            if key not in self._held:
                self._held[key] = make()
            return self._held[key]


class Decoded:
    """`size` bytes that `make` decodes at their first use; `key` is unique among those that share `recent`.

    `packed` tells where what is decoded lies in files.
    Raises Malformed for more bytes than fit in memory.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        key: str,
        make: Callable[[], bytes],
        recent: Recent,
        *,
        packed: Callable[[], Iterable[FileSpan]] = tuple,
    ) -> None:
        if size > MAX_DECODED:
            raise Malformed(
                path, f"{size:,} bytes of values would have to be decoded at once: more than {MAX_DECODED:,}"
            )
        self.path = path
        self.size = size
        self._key = key
        self._make = make
        self._recent = recent
        self._packed = packed

    def spans(self, _start: int, _stop: int) -> Iterable[FileSpan]:
        """Where what has to be decoded lies in files."""
        return self._packed()

    def fill(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on. Raises Truncated beyond the end."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise Truncated(self.path, f"a part of {self.size:,} bytes is asked for byte {offset + len(buffer):,}")
        whole = memoryview(self._recent.get(self._key, self._make))
        if len(whole) != self.size:
            raise Malformed(self.path, f"{len(whole):,} bytes of values were found, {self.size:,} are declared")
        buffer[:] = whole[offset : offset + len(buffer)]
