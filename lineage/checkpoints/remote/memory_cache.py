"""Ranges of remote files in memory: the most recently used, up to a bound.

Adding one looks at its neighbours, which is no use of them. In an `LRUCache` of cachetools every look is one, and the
lengths have to be kept a second time beside it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict

from lineage.checkpoints.remote.ranges import Extent

MOST_BYTES = 96 << 20


class Held:
    """Extents of several files, each file known by a number; used from several threads."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._guard = threading.Lock()
        self._content: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._starts: dict[int, list[int]] = {}

    def find(self, file: int, at: int) -> Extent | None:
        """The extent that holds byte `at`, if any."""
        with self._guard:
            starts = self._starts.get(file, [])
            place = bisect_right(starts, at) - 1
            if place < 0:
                return None
            key = file, starts[place]
            extent = Extent(starts[place], self._content[key])
            if extent.stop <= at:
                return None
            self._content.move_to_end(key)
            return extent

    def add(self, file: int, extent: Extent) -> None:
        """Hold an extent, and drop those that it covers and the least recently used."""
        with self._guard:
            starts = self._starts.setdefault(file, [])
            place = bisect_right(starts, extent.start) - 1
            if place >= 0 and starts[place] + len(self._content[file, starts[place]]) >= extent.stop:
                return
            for start in starts[bisect_left(starts, extent.start) : bisect_left(starts, extent.stop)]:
                if start + len(self._content[file, start]) <= extent.stop:
                    self._drop((file, start))
            insort(starts, extent.start)
            self._content[file, extent.start] = extent.content
            self._size += len(extent.content)
            while self._size > self._most and len(self._content) > 1:
                self._drop(next(iter(self._content)))

    def _drop(self, key: tuple[int, int]) -> None:
        self._size -= len(self._content.pop(key))
        self._starts[key[0]].remove(key[1])
