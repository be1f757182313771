"""The process that reads case after case, and the one that watches it."""

from __future__ import annotations

import codecs
import multiprocessing
import os
import pkgutil
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import c_uint64
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from fuzzing.guard import Guard, limit_memory
from fuzzing.mutations import Files, case
from fuzzing.reading import Read, problem_with, read_index, read_whole
from lineage.checkpoints.plugins import installed

HANG_S = 10.0  # of the processor, so that a busy machine makes no finding
WAIT_S = 60.0  # by the clock: what is blocked takes no time of the processor
_OFTEN = 256  # cases after which the watching process hears of them
_LEAST_S = 1.0  # that a process which died has taken at least: to start another one takes as much
_spawned = multiprocessing.get_context("spawn")  # a fork would inherit what the parent has open


@dataclass(frozen=True, slots=True)
class Target:
    """A format: models of it, where its cases begin, what reads them and how long that may take.

    `hang_s` seconds of processor time, and `wait_s` by the clock.
    """

    name: str
    seeds: Sequence[Files]
    seed: int
    read: Read = read_whole
    hang_s: float = HANG_S
    wait_s: float = WAIT_S

    def case(self, number: int) -> Files:
        """The model that case `number` reads: the same at every run."""
        return case(self.seeds, Random(f"{self.name} {self.seed} {number}"))  # noqa: S311 - nothing is secret


@dataclass(slots=True)
class Outcome:
    """How many cases were begun, how many of them were read to their end, and what was wrong with which."""

    cases: int = 0
    read: int = 0
    problems: dict[int, str] = field(default_factory=dict)


class _End(NamedTuple):
    """How a process ended, with which case, and how long it had read."""

    code: int
    last: int
    seconds: float


class _Heard(NamedTuple):
    """What a process says: cases begun in all, cases read since it last spoke, and the case that failed, if any."""

    cases: int
    read: int
    failed: int | None = None
    problem: str = ""


def fuzz(target: Target, seconds: float) -> Outcome:
    """Read cases of a target for that long. A process that is killed, by itself or for hanging, is a finding too."""
    outcome, left = Outcome(), seconds
    while left > 0:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as home:
            end = _watched(target, Path(home), left, outcome)
        if end.code == 0:
            break
        outcome.cases = end.last + 1
        outcome.problems[end.last] = _death(end.code, target)
        left -= max(end.seconds, _LEAST_S)
    return outcome


def write_files(files: Files, home: Path) -> Path:
    """Write a model into an empty folder, and return what to open."""
    home.mkdir(parents=True)
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    return what_to_open(home)


def import_late() -> None:
    """Import what is imported at its first use, whatever is read."""
    import_module("numpy.ma")  # by NumPy, for a median
    for room in ("checkpoints", "contrib", "anatomy", "sketch"):
        package = import_module(f"lineage.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(found.name)
    installed()
    for name in ("ascii", "latin-1", "utf-8", "utf-8-sig", "raw_unicode_escape"):
        codecs.lookup(name)


def what_to_open(home: Path) -> Path:
    """The only file of a folder, else the folder."""
    held = list(home.iterdir())
    return held[0] if len(held) == 1 and held[0].is_file() else home


def replay(home: Path) -> str | None:
    """What is wrong with how the model in a folder is read, if anything, in this process."""
    path = what_to_open(home)
    is_index = any(place.name.startswith("lineage.sqlite") for place in home.iterdir())
    read = read_index if is_index else read_whole
    import_late()
    with suppress(Exception):
        read(str(path))  # for what it imports
    warnings.simplefilter("error")
    guard = Guard(home, may_write=is_index)
    limit_memory()
    with _timed(HANG_S, WAIT_S):
        return problem_with(str(path), read, guard)[0]


def _watched(target: Target, home: Path, seconds: float, outcome: Outcome) -> _End:
    """Run one process until its time is over or its death."""
    number = _spawned.RawValue(c_uint64, outcome.cases)
    ours, theirs = _spawned.Pipe(duplex=False)
    process = _spawned.Process(target=_work, args=(target, home, seconds, number, theirs), daemon=True)
    process.start()
    theirs.close()
    begun = time.monotonic()
    try:
        ours.recv()  # it is ready
        begun = time.monotonic()
        while True:
            heard: _Heard = ours.recv()
            outcome.cases = heard.cases
            outcome.read += heard.read
            if heard.failed is not None:
                outcome.problems[heard.failed] = heard.problem
    except EOFError:  # it has ended
        process.join()
    return _End(process.exitcode or 0, int(number.value), time.monotonic() - begun)


def _work(target: Target, home: Path, seconds: float, number: Any, watcher: Connection) -> None:
    """Read the target's models once, for what reading them imports; then its cases for that long."""
    warnings.simplefilter("error")
    import_late()
    for place, seed in enumerate(target.seeds):
        with suppress(Exception):
            target.read(str(write_files(seed, home / f"seed {place}")))
    guard = Guard(home, may_write=target.read is read_index)
    limit_memory()
    at, was_read, seen = int(number.value), 0, set()
    watcher.send(_Heard(at, 0))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        number.value = at
        path = write_files(target.case(at), home / "case")
        with _timed(target.hang_s, target.wait_s):
            problem, ended = problem_with(str(path), target.read, guard)
        shutil.rmtree(home / "case")
        at, was_read = at + 1, was_read + ended
        if problem is not None and problem not in seen:
            seen.add(problem)
            watcher.send(_Heard(at, was_read, at - 1, problem))
            was_read = 0
        elif at % _OFTEN == 0:
            watcher.send(_Heard(at, was_read))
            was_read = 0
    watcher.send(_Heard(at, was_read))


@contextmanager
def _timed(hang_s: float, wait_s: float) -> Iterator[None]:
    """Let the process take so many seconds of the processor, and by the clock.

    Nobody handles the signals, so that it dies of them wherever it is.
    """
    signal.setitimer(signal.ITIMER_PROF, hang_s)
    signal.setitimer(signal.ITIMER_REAL, wait_s)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _death(code: int, target: Target) -> str:
    if code == -signal.SIGPROF:
        return f"hangs: not done after {target.hang_s:g} s of the processor"
    if code == -signal.SIGALRM:
        return f"waits: not done after {target.wait_s:g} s"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"the process ended with code {code}"


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for what is spawned: its threads take address space
