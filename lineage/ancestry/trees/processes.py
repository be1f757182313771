"""Work shared out among processes that see all that this one has made so far."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

Result = TypeVar("Result")

_PORTIONS = 6  # a process, so that one that was long in the making holds up little


def cores() -> int:
    """Processors that this process may use, one where it cannot be forked; macOS has libraries that break then."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def shared_out(
    work: Callable[[int], Result], sizes: Sequence[float], processes: int
) -> Iterator[list[tuple[int, Result]]]:
    """`work(i)` for every i, with i, a portion at a time as they come in.

    `sizes` say roughly how long each takes. What `work` changes is lost but for what it returns, which is pickled.
    Raises what `work` raises, and ChildProcessError if a process was killed (as for want of memory).
    """
    waiting = _portions(sizes, _PORTIONS * processes)
    running: dict[Connection, Any] = {}
    with _still():
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    ours, process = _begun(work, waiting.pop(0))
                    running[ours] = process
                ready = wait(list(running))
                for ours in [one for one in running if one in ready]:
                    found = _heard(ours)
                    running.pop(ours).join()
                    yield found
        finally:
            for process in running.values():
                process.terminate()
                process.join()


def _portions(sizes: Sequence[float], count: int) -> list[list[int]]:
    """Positions in at most `count` portions of like size, the largest first (longest processing time first)."""
    portions: list[list[int]] = [[] for _ in range(min(count, len(sizes)))]
    filled = [0.0] * len(portions)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = filled.index(min(filled))
        portions[least].append(i)
        filled[least] += sizes[i]
    return [portion for _, portion in sorted(zip(filled, portions, strict=True), reverse=True)]


@contextmanager
def _still() -> Iterator[None]:
    """Keep the collector from what is there: it would touch, and so copy, every page that the processes share."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _begun(work: Callable[[int], Result], portion: Sequence[int]) -> tuple[Connection, Any]:
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(work, portion, theirs), daemon=True)
    with warnings.catch_warnings():
        # Threads that are there (of the progress line, of BLAS) hold nothing that the work needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    return ours, process


def _tell(work: Callable[[int], Result], portion: Sequence[int], told: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began the work ends it
    try:
        told.send([(i, work(i)) for i in portion])
    except Exception as error:
        told.send(error)


def _heard(ours: Connection) -> Any:
    try:
        found = ours.recv()
    except EOFError:
        raise ChildProcessError("a process that searched for the graph was killed: is there enough memory?") from None
    finally:
        ours.close()
    if isinstance(found, Exception):
        raise found
    return found
