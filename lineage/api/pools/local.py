"""Threads of this process: NumPy and the digests let several run at once."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Self

from lineage.api.pools.tasks import Outcome, Task, sketched
from lineage.api.sketching import Watch


class Interrupted(Exception):
    """Raised in a sketching thread once the caller has stopped listening."""


class LocalPool:
    """Sketches `workers` models at a time, which share the processors; `watch` is called from their threads."""

    def __init__(self, workers: int, watch: Watch | None) -> None:
        self._workers, self._watch = workers, watch
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self._stop = Event()
        self._running: dict[Future[Outcome], Task] = {}

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(max_workers=self._workers)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def capacity(self) -> int:
        """As many as are worked on at a time."""
        return self._workers

    def take(self, task: Task) -> None:
        """Begin at once."""
        self._running[self._pool.submit(sketched, task, self._threads, self._listen)] = task

    def finished(self) -> list[tuple[Task, Outcome]]:
        """Those that have ended by now, at least one."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]

    def _listen(self, path: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Interrupted
        if self._watch is not None:
            self._watch(path, done, total)
