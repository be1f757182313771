"""A remote file that is read as one on disk is: by position, from any thread."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lineage.checkpoints.io.bytes import Folder, PositionedFile
from lineage.checkpoints.remote.disk_cache import Kept
from lineage.checkpoints.remote.memory_cache import Held
from lineage.checkpoints.remote.ranges import Extent, Span
from lineage.checkpoints.remote.source import Source

BLOCK = 128 << 10  # bytes read at once without a prefetch
LARGEST = 4 << 20  # ... once it is read from front to back


@dataclass(slots=True)
class Run:
    """Neighbouring spans of a file, which one range holds with the gaps between them."""

    spans: Sequence[Span]
    guard: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False


@dataclass(slots=True)
class Fetch:
    """Runs that one request asks for, at the first need of a span, by whoever needs it.

    From a server that gives one range an answer each run is fetched alone, so that several threads share the work.
    """

    runs: Sequence[Run]
    guard: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False


class RemoteFile(PositionedFile):
    """A file on a server; `meter` counts the bytes that readers asked for, not what the network carried.

    `number` distinguishes it from the other files of `held`.
    """

    def __init__(
        self, source: Source, folder: Folder, *, size: int, held: Held, number: int, kept: Kept | None
    ) -> None:
        self.path = source.path
        self.meter = folder.meter
        self.size = size
        self._source = source
        self._folder = folder
        self._held = held
        self._number = number
        self._kept = kept
        self._spans: list[tuple[Span, Run, Fetch]] = []
        self._unforeseen = threading.Lock()
        self._front = (0, BLOCK)  # where the last unforeseen read ended, and how much the next one takes

    @property
    def folder(self) -> Folder:
        """The folder that the file lies in, for the files that it names."""
        return self._folder

    @property
    def homes(self) -> Sequence[tuple[Folder, str]]:
        """The same with the name; a server has no links."""
        return [(self._folder, self.path.name)]

    def expect(self, fetches: Sequence[Fetch]) -> None:
        """Take over which spans are to be fetched together; no two of them overlap."""
        spans = ((span, run, fetch) for fetch in fetches for run in fetch.runs for span in run.spans)
        self._spans = sorted(spans, key=lambda planned: planned[0])

    def _read(self, offset: int, buffer: memoryview) -> int:
        done, length = 0, min(len(buffer), self.size - offset)
        while done < length:
            at = offset + done
            extent = self._known(at) or self._fetched(Span(at, offset + length))
            part = memoryview(extent.content)[at - extent.start : offset + length - extent.start]
            buffer[done : done + len(part)] = part
            done += len(part)
        self._count(done)
        return done

    def _known(self, at: int) -> Extent | None:
        """The extent that holds byte `at`, from memory or from disk."""
        extent = self._held.find(self._number, at)
        if extent is None and self._kept is not None:
            extent = self._kept.find(at)
            if extent is not None:
                self._held.add(self._number, extent)
        return extent

    def _fetched(self, wanted: Span) -> Extent:
        """The extent that holds the first byte of `wanted`, from the server."""
        place = bisect_right(self._spans, wanted.start, key=lambda planned: planned[0].start) - 1
        span, run, fetch = self._spans[place] if place >= 0 else (Span(0, 0), Run(()), Fetch(()))
        if wanted.start < span.stop and not run.done:
            self._obtain(run, fetch)
        else:
            with self._unforeseen:
                if self._held.find(self._number, wanted.start) is None:
                    self._take(self._source.one(self._block(wanted)))
        extent = self._known(wanted.start)
        return extent if extent is not None else self._alone(wanted)

    def _obtain(self, run: Run, fetch: Fetch) -> None:
        with fetch.guard:
            if not fetch.done:
                found = self._source.together([span for each in fetch.runs for span in self._missing(each)])
                self._take(found or ())
                for each in fetch.runs if found is not None else ():
                    each.done = True
                fetch.done = True
        with run.guard:
            missing = [] if run.done else self._missing(run)
            if missing:
                self._take(self._source.one(Span(missing[0].start, missing[-1].stop)))
            run.done = True

    def _missing(self, run: Run) -> list[Span]:
        return [span for span in run.spans if self._kept is None or not self._kept.covers(span)]

    def _take(self, extents: Iterable[Extent]) -> None:
        for extent in extents:
            self._held.add(self._number, extent)
            if self._kept is not None:
                self._kept.add(extent)

    def _alone(self, wanted: Span) -> Extent:
        """What was fetched and dropped again before it was used, or damaged on disk."""
        found = self._source.one(Span(wanted.start, min(wanted.stop, wanted.start + LARGEST)))
        self._take(found)
        return found[0]

    def _block(self, wanted: Span) -> Span:
        """The range to read for bytes that were not prefetched: whole blocks, more of them in sequential reads."""
        front, ahead = self._front
        ahead = min(2 * ahead, LARGEST) if wanted.start == front else BLOCK
        start = wanted.start // BLOCK * BLOCK if wanted.start != front else front
        stop = min(max(wanted.stop, start + ahead), start + 2 * LARGEST)
        stop = min(-(-stop // BLOCK) * BLOCK, self.size)
        self._front = (stop, ahead)
        return Span(start, stop)
