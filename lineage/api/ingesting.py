"""Adding models to an index: several at a time, each whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lineage import store
from lineage.api.indexes import place_of
from lineage.api.pools.local import LocalPool
from lineage.api.pools.pool import Pool, outcomes
from lineage.api.pools.tasks import Failed, Sketched, Task
from lineage.api.sketching import Watch
from lineage.checkpoints import is_remote, models_in, require_hub
from lineage.errors import CheckpointError, LineageError
from lineage.types import Depth

if TYPE_CHECKING:
    from lineage.store import Home

_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result for one path: `error` and `exit_code` give the failure; `id` is None if nothing was sketched.

    `copy_of` is the name of a model of the index that holds the same values in another layout. `weights_seen` is False
    for a sketch that was handed over; `contradicted` names one that had the id of these weights but contradicts
    them, so that they replaced it.
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


def ingest(
    paths: Iterable[str | Path],
    index: str | Path | None = None,
    *,
    depth: Depth | None = None,
    name: str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    watch: Watch | None = None,
) -> Iterator[Ingested]:
    """Add checkpoints and sketches to an index, `workers` at a time, and yield each as it is done.

    A folder of models stands for all of them. A path that fails does not stop the others; an index that cannot be
    written stops all (Locked, StoreError). `name` names the model of a single path, in place of its card or file.
    Each model is added whole or not at all; repeating an ingest changes nothing, and the index is created
    with its first model.
    With `ray`, the address of a Ray cluster, the models are sketched on its nodes, which must reach the paths, and
    added here; `watch` is then called with models done and to do, not with bytes. Raises ClusterError, MissingExtra.
    """
    from lineage import __version__

    place = place_of(index)
    meant = (model for path in paths for model in ([str(path)] if name is not None else _models(str(path))))
    tasks: Iterable[Task] = (Task(path, depth, name) for path in dict.fromkeys(meant))
    to_do = 0
    if ray is not None:
        tasks = list(tasks)
        to_do = len(tasks)
    with ExitStack() as stack:
        home = stack.enter_context(store.open_home(place)) if store.holds_home(place) else None
        pool = stack.enter_context(_pool(ray, workers, watch))
        for done, made in enumerate(outcomes(pool, tasks), 1):
            if isinstance(made, Failed):
                yield Ingested("failed", made.path, error=made.error, exit_code=made.exit_code)
            else:
                if home is None:
                    home = stack.enter_context(store.create_home(place))
                yield _taken(home, made, __version__)
            if ray is not None and watch is not None:
                watch("models", done, to_do)
        if home is not None:
            home.finish_run()


def fill(
    index: str | Path | None = None,
    *,
    family: str | None = None,
    depth: Depth | None = None,
    workers: int | None = None,
    ray: str | None = None,
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
    yield from ingest(sources, index, depth=depth, workers=workers, ray=ray, watch=watch)


def _models(path: str) -> list[str]:
    """Each model of a folder of models; a folder that cannot be read is kept, to fail by itself."""
    if is_remote(path) or not Path(path).is_dir():
        return [path]
    try:
        return [str(model) for model in models_in(Path(path))]
    except (LineageError, OSError):
        return [path]


def _pool(ray: str | None, workers: int | None, watch: Watch | None) -> Pool:
    if ray is None:
        return LocalPool(workers or _WORKERS, watch)
    from lineage.api.pools.ray_cluster import RayCluster

    return RayCluster(ray, workers)


def _taken(home: Home, made: Sketched, version: str) -> Ingested:
    """Add one model; a sketch that contradicts what the index holds fails alone."""
    try:
        return _added(home, made, version)
    except CheckpointError as error:
        return Ingested("failed", made.path, error=str(error), exit_code=error.exit_code)


def _added(home: Home, made: Sketched, version: str) -> Ingested:
    source = made.sketch.path if is_remote(made.path) else str(Path(made.path).absolute())
    sketch = replace(made.sketch, path=source)
    copied = home.copied(sketch)
    refuted = home.contradicted(sketch) if sketch.weights_seen else None
    is_new = home.add(sketch, version)
    return Ingested(
        "ingested" if is_new else "unchanged",
        made.path,
        id=sketch.id,
        name=sketch.name,
        params=sketch.params,
        tensors=len(sketch.tensors),
        bytes_read=sketch.bytes_read,
        seconds=round(made.seconds, 3),
        copy_of=copied if is_new and refuted is None else None,
        weights_seen=sketch.weights_seen,
        contradicted=None if refuted is None else refuted[0],
    )


def _without_commit(source: str) -> str:
    """`hf:org/name` of `hf:org/name@commit`."""
    return re.sub("@[0-9a-f]{40,64}", "", source)
