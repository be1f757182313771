"""A model to sketch, and what can become of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from lineage.api.sketching import Watch, timed_sketch
from lineage.checkpoints import shown
from lineage.errors import LineageError
from lineage.types import CheckpointSketch, Depth


@dataclass(frozen=True, slots=True)
class Task:
    """A path or address as given, how much of it to read, and a name in place of that of its files."""

    path: str
    depth: Depth | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Sketched:
    """A sketch of the model at `path`, an address without its secrets, and the seconds that it took."""

    path: str
    sketch: CheckpointSketch
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The error message for a task without a sketch, and its exit code."""

    path: str
    error: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The node or process that worked on it ended: the model may be sound."""

    why: str


Outcome = Sketched | Failed | Lost


def sketched(task: Task, threads: int, watch: Watch | None) -> Sketched | Failed:
    """Sketch one model in `threads` threads; whatever is wrong with it is its own failure."""
    started, place = time.perf_counter(), shown(task.path)
    try:
        made, _, _ = timed_sketch(task.path, task.depth, watch, threads, on_disk=True)
    except LineageError as error:
        return Failed(place, str(error), error.exit_code)
    except OSError as error:
        return Failed(place, f"{place}: {error.strerror or error}", 1)
    except Exception as error:  # one bad file must not stop the others
        return Failed(place, f"{place}: {type(error).__name__}: {error}", 1)
    named = made if task.name is None else replace(made, name=task.name)
    return Sketched(place, named, time.perf_counter() - started)
