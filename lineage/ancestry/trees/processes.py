"""Work distributed over forked processes, which inherit the state of this one."""

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

_PORTIONS = 6  # a process, so that one slow portion delays the rest little
_own_work: list[Callable[[int], Any]] = []
"""The work of a forked process: a closure over state of the parent process, which cannot be pickled."""


def cores() -> int:
    """Processors that this process may use; 1 except on Linux, since some macOS libraries break after a fork."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def shared_out(
    work: Callable[[int], Result], sizes: Sequence[float], processes: int
) -> Iterator[list[tuple[int, Result]]]:
    """Pairs (i, `work(i)`) for every i, one portion at a time, in order of completion.

    `sizes` are rough relative durations. Changes that `work` makes stay in its process; its results are pickled. Raises
    what `work` raises, and ChildProcessError if a process was killed (for example for lack of memory).
    """
    others = set(active_children())
    with _still():
        pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (work,))
        try:
            with warnings.catch_warnings():
                # Running threads (of the progress line, of BLAS) hold nothing that the work needs.
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
                process.terminate()  # their results are not needed
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[int], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles the interrupt
    _own_work[:] = [work]


def _each(portion: Sequence[int]) -> list[tuple[int, Any]]:
    (work,) = _own_work
    return [(i, work(i)) for i in portion]


def _portions(sizes: Sequence[float], count: int) -> list[list[int]]:
    """Positions in at most `count` portions of similar size, largest first (longest processing time rule)."""
    portions: list[list[int]] = [[] for _ in range(min(count, len(sizes)))]
    filled = [0.0] * len(portions)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = filled.index(min(filled))
        portions[least].append(i)
        filled[least] += sizes[i]
    return [portion for _, portion in sorted(zip(filled, portions, strict=True), reverse=True)]


@contextmanager
def _still() -> Iterator[None]:
    """Exclude existing objects from garbage collection, which would touch, and so copy, every shared page."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
