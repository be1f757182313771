"""A bar for each file on standard error, shown after a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lineage.api import Watch

_PATIENCE_S = 1.0


@contextmanager
def progress(in_bytes: bool = True) -> Iterator[Watch | None]:
    """The callback for bytes or steps done and to do, or None where standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bars = _Bars(in_bytes)
    try:
        yield bars.watch
    finally:
        bars.close()


@contextmanager
def steps(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """The callback for steps done and to do, or None where standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bars = _Bars(in_bytes=False)
    try:
        yield lambda done, total: bars.watch(name, done, total)
    finally:
        bars.close()


class _Bars:
    """Bars that appear once a second has passed; called from several threads."""

    def __init__(self, in_bytes: bool) -> None:
        self._in_bytes = in_bytes
        self._started = time.monotonic()
        self._guard = threading.Lock()
        self._drawn: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def watch(self, path: str, done: int, total: int) -> None:
        """Show that `done` of `total` bytes or steps of `path` are done."""
        if time.monotonic() - self._started < _PATIENCE_S:
            return
        with self._guard:
            if self._drawn is None:
                self._drawn = _bars(self._in_bytes)
                self._drawn.start()
            if path not in self._tasks:
                self._tasks[path] = self._drawn.add_task("", name=_short(path), total=total)
            self._drawn.update(self._tasks[path], completed=done, visible=done < total)

    def close(self) -> None:
        """Remove the bars from the screen."""
        if self._drawn is not None:
            self._drawn.stop()


def _bars(in_bytes: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.fields[name]}", markup=False),
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _short(path: str) -> str:
    from lineage.report.figures import plain

    return plain(Path(path).name)[-40:]
