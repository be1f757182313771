"""Work shared out among processes that see all that this one has made so far."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

Result = TypeVar("Result")

_PORTIONS = 6  # a process, so that one that was long in the making holds up little
_own_work: list[Callable[[int], Any]] = []
"""What a forked process does: a function that closes over what was made before, and so cannot be sent to it."""


def cores() -> int:
    """Processors that this process may use, one where it cannot be forked; macOS has libraries that break then."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def shared_out(
    work: Callable[[int], Result], sizes: Sequence[float], processes: int
) -> Iterator[list[tuple[int, Result]]]:
    """`work(i)` for every i, with i, a portion at a time as they come in.

    `sizes` say roughly how long each takes. What `work` changes stays in its process, what it returns is pickled.
    Raises what `work` raises, and ChildProcessError if a process was killed (as for want of memory).
    """
    others = set(active_children())
    with _still():
        pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (work,))
        try:
            with warnings.catch_warnings():
                # Threads that are there (of the progress line, of BLAS) hold nothing that the work needs.
                warnings.simplefilter("ignore", DeprecationWarning)
                running = {pool.submit(_each, portion) for portion in _portions(sizes, _PORTIONS * processes)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                while done:
                    yield done.pop().result()
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that searched for the graph was killed: is there enough memory?"
            ) from None
        except BaseException:
            for process in set(active_children()) - others:
                process.terminate()  # nobody waits for what they do
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[int], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began the work ends it
    _own_work[:] = [work]


def _each(portion: Sequence[int]) -> list[tuple[int, Any]]:
    (work,) = _own_work
    return [(i, work(i)) for i in portion]


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
