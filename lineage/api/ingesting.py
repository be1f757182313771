"""Adding models to an index: several at a time, each whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal

from lineage import store
from lineage.api.indexes import place_of
from lineage.api.sketching import Watch, timed_sketch
from lineage.checkpoints import is_remote, models_in, require_hub, shown
from lineage.errors import CheckpointError, LineageError
from lineage.types import CheckpointSketch, Depth

if TYPE_CHECKING:
    from lineage.store import Home


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result for one path: `error` and `exit_code` say why it failed; `id` is None where nothing was sketched.

    `copy_of` is the name of a model of the index that holds the same values in another layout. `weights_seen` is False
    for a sketch that was handed over; `contradicted` names one that had the id of these weights and cannot be of them,
    so that they took its place.
    """

    event: Literal["ingested", "unchanged", "failed"]
    path: str
    id: str | None = None
    name: str | None = None
    params: int | None = None
    tensors: int | None = None
    bytes_read: int | None = None
    seconds: float | None = None
    copy_of: str | None = None
    weights_seen: bool | None = None
    contradicted: str | None = None
    error: str | None = None
    exit_code: int = 0


class Interrupted(Exception):
    """Raised in a sketching thread once the caller has stopped listening."""


def ingest(
    paths: Iterable[str | Path],
    index: str | Path | None = None,
    *,
    depth: Depth | None = None,
    name: str | None = None,
    workers: int = 2,
    watch: Watch | None = None,
) -> Iterator[Ingested]:
    """Add checkpoints and sketches to an index, `workers` at a time, and yield each as it is done.

    A folder of models stands for all of them. A path that fails does not stop the others; an index that cannot be
    written stops all (Locked, StoreError). `name` is what to call the model of one path, if not as its card or file
    does.
    Each model is added whole or not at all; repeating an ingest changes nothing, and the index is made
    when there is a first model to put into it.
    """
    from lineage import __version__

    place = place_of(index)
    stop = Event()
    threads = max(1, (os.cpu_count() or 1) // workers)
    meant = (model for path in paths for model in ([str(path)] if name is not None else _models(str(path))))
    pending = iter(dict.fromkeys(meant))

    def listen(path: str, done: int, total: int) -> None:
        if stop.is_set():
            raise Interrupted
        if watch is not None:
            watch(path, done, total)

    with ExitStack() as stack:
        home = stack.enter_context(store.open_home(place)) if store.holds_home(place) else None
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=workers))
        stack.callback(stop.set)  # called before the pool waits for its threads
        running: set[Future[Ingested | _Made]] = set()
        while True:
            following = islice(pending, workers - len(running))
            running |= {pool.submit(_make, path, depth, name, threads, listen) for path in following}
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for made in [future.result() for future in done]:
                if isinstance(made, _Made):
                    if home is None:
                        home = stack.enter_context(store.create_home(place))
                    yield _taken(home, made, __version__)
                else:
                    yield made
        if home is not None:
            home.finish_run()


def fill(
    index: str | Path | None = None,
    *,
    family: str | None = None,
    depth: Depth | None = None,
    workers: int = 2,
    watch: Watch | None = None,
) -> Iterator[Ingested]:
    """Ingest the public models of the catalogue, or of one family of it, that the index does not hold yet.

    They are read from the hub, as `ingest` reads `hf:org/name`. Raises Unknown for a family that the catalogue does
    not have, Unreachable where the hub does not answer.
    """
    sources = [model.source for model in store.catalogue(family)]
    home_place = place_of(index)
    if store.holds_home(home_place):
        with store.open_home(home_place) as home:
            held = {_without_commit(place) for one in home.models() for place in (one.source, *one.aliases)}
        sources = [source for source in sources if source not in held]
    if sources:
        require_hub()
    yield from ingest(sources, index, depth=depth, workers=workers, watch=watch)


@dataclass(frozen=True, slots=True)
class _Made:
    path: str
    sketch: CheckpointSketch
    seconds: float


def _models(path: str) -> list[str]:
    """Each model of a folder of models; a folder that cannot be read is kept, to fail by itself."""
    if is_remote(path) or not Path(path).is_dir():
        return [path]
    try:
        return [str(model) for model in models_in(Path(path))]
    except (LineageError, OSError):
        return [path]


def _make(path: str, depth: Depth | None, name: str | None, threads: int, watch: Watch) -> Ingested | _Made:
    """Sketch one path in a worker thread; an error there fails that path only."""
    started, place = time.perf_counter(), shown(path)
    try:
        made, _, _ = timed_sketch(path, depth, watch, threads)
    except LineageError as error:
        return Ingested("failed", place, error=str(error), exit_code=error.exit_code)
    except OSError as error:
        return Ingested("failed", place, error=f"{place}: {error.strerror or error}", exit_code=1)
    except Exception as error:  # one bad file must not stop the others
        return Ingested("failed", place, error=f"{place}: {type(error).__name__}: {error}", exit_code=1)
    return _Made(place, made if name is None else replace(made, name=name), time.perf_counter() - started)


def _taken(home: Home, made: _Made, version: str) -> Ingested:
    """Add one model; a sketch that contradicts what the index holds fails alone."""
    try:
        return _added(home, made, version)
    except CheckpointError as error:
        return Ingested("failed", made.path, error=str(error), exit_code=error.exit_code)


def _added(home: Home, made: _Made, version: str) -> Ingested:
    source = made.sketch.path if is_remote(made.path) else str(Path(made.path).absolute())
    copied = home.copied(made.sketch)
    refuted = home.contradicted(made.sketch) if made.sketch.weights_seen else None
    is_new = home.add(replace(made.sketch, path=source), version)
    return Ingested(
        "ingested" if is_new else "unchanged",
        made.path,
        id=made.sketch.id,
        name=made.sketch.name,
        params=made.sketch.params,
        tensors=len(made.sketch.tensors),
        bytes_read=made.sketch.bytes_read,
        seconds=round(made.seconds, 3),
        copy_of=copied if is_new and refuted is None else None,
        weights_seen=made.sketch.weights_seen,
        contradicted=None if refuted is None else refuted[0],
    )


def _without_commit(source: str) -> str:
    """`hf:org/name` of `hf:org/name@commit`."""
    return re.sub("@[0-9a-f]{40,64}", "", source)
