"""The work of a cluster node: it answers a request for one model with the bytes of a `.sketch` file.

This module does not depend on Ray. A request carries everything that the node may lack: the working folder and, for a
model on a server, the hub's settings, which the node uses for this request only.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, chdir, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lineage.api.pools.tasks import Failed, Sketched, Task, sketched
from lineage.api.sketching import timed_sketch
from lineage.checkpoints import is_remote, shown
from lineage.checkpoints.remote.address import HubAddress, parse
from lineage.errors import CheckpointError, ClusterError, LineageError
from lineage.sketch import write_sketch

_FILE = "model.sketch"
_ENDPOINT, _TOKEN = "HF_ENDPOINT", "HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Question:
    """A task with the version that asks, the folder that its path may begin in, and the hub's settings."""

    task: Task
    threads: int
    version: str
    folder: str
    settings: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of a `.sketch` file and data that it does not hold, or the error, and the node's name and version.

    `path` is that of `CheckpointSketch`. `is_visible` is False if the node has nothing at the path.
    """

    node: str
    version: str
    sketch: bytes | None = None
    path: str = ""
    weights_seen: bool | None = None
    seconds: float = 0.0
    error: str = ""
    exit_code: int = 0
    is_visible: bool = True


def question(task: Task, threads: int) -> Question:
    """What to ask a node about one model, with a token only where the model is read from the hub."""
    from lineage import __version__

    names = (_ENDPOINT, _TOKEN) if _is_at_hub(task.path) else (_ENDPOINT,) if is_remote(task.path) else ()
    settings = {name: os.environ[name] for name in names if name in os.environ}
    return Question(task, threads, __version__, str(Path.cwd()), settings)


def answer(asked: Question) -> Answer:
    """Sketch the model on this machine; no error of a model or of its files is raised."""
    from lineage import __version__

    own = Answer(platform.node(), __version__)
    path = asked.task.path
    if asked.version != __version__:
        return own
    if not is_remote(path) and not Path(asked.folder, path).exists():
        return replace(own, is_visible=False)
    with _as_there(asked):
        found = sketched(asked.task, asked.threads, None)
    if isinstance(found, Failed):
        return replace(own, error=found.error, exit_code=found.exit_code)
    try:
        with TemporaryDirectory(prefix="lineage-") as scratch:
            write_sketch(found.sketch, Path(scratch, _FILE))
            content = Path(scratch, _FILE).read_bytes()
    except OSError as error:
        line = f"{found.path}: its sketch cannot be written on the node {own.node}: {error.strerror}"
        return replace(own, error=line, exit_code=1)
    made = found.sketch
    return replace(own, sketch=content, path=made.path, weights_seen=made.weights_seen, seconds=found.seconds)


def checked(task: Task, got: Answer) -> Sketched | Failed:
    """The sketch of an answer, read as untrusted input. Raises ClusterError for a node of another version."""
    from lineage import __version__

    place = shown(task.path)
    if got.version != __version__:
        raise ClusterError(
            f"the node {got.node} has lineage {got.version}, this machine {__version__}: a sketch has to come from one"
            " version; install the same on every node"
        )
    if not got.is_visible:
        return _invisible(task, got.node)
    if got.sketch is None:
        return Failed(place, got.error, got.exit_code)
    try:
        with TemporaryDirectory(prefix="lineage-") as scratch:
            Path(scratch, _FILE).write_bytes(got.sketch)
            made, _, _ = timed_sketch(Path(scratch, _FILE), None, None)
    except LineageError as error:
        problem = error.problem if isinstance(error, CheckpointError) else "is of another sketch family"
        return Failed(place, f"{place}: what the node {got.node} sent {problem}", CheckpointError.exit_code)
    return Sketched(place, replace(made, path=got.path, weights_seen=got.weights_seen), got.seconds)


def _invisible(task: Task, node: str) -> Failed:
    place = shown(task.path)
    if not Path(task.path).exists():
        found = sketched(task, 1, None)  # says so as it does without a cluster
        if isinstance(found, Failed):
            return found
    return Failed(
        place,
        f"{place}: the node {node} does not see it: give a path that every node sees as this machine does (a shared"
        " file system), or an address (hf:, https:)",
        CheckpointError.exit_code,
    )


def _is_at_hub(path: str) -> bool:
    try:
        return is_remote(path) and isinstance(parse(path), HubAddress)
    except CheckpointError:  # which sketching it will say
        return False


def _as_there(asked: Question) -> AbstractContextManager[None]:
    """The place of this process in which its path means what it means to the asking process."""
    if is_remote(asked.task.path):
        return _settings(asked.settings)
    return nullcontext() if Path(asked.task.path).is_absolute() else chdir(asked.folder)


@contextmanager
def _settings(given: Mapping[str, str]) -> Iterator[None]:
    """Use the hub's settings of the asking process, and none of this machine's, while the question is answered."""
    own = {name: os.environ.pop(name) for name in (_ENDPOINT, _TOKEN) if name in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)
        os.environ.update(own)
