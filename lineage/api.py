"""The library surface: sketch, ingest, whois, compare, graph, trace, decompose, and the care of an index."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal

from lineage import store
from lineage.checkpoints import is_remote, open_checkpoint, require_hub, shown
from lineage.errors import LineageError, NoIndex, Unknown
from lineage.sketch import is_sketch_file, read_sketch, sketch_checkpoint, write_sketch
from lineage.types import CheckpointSketch, Comparison, Depth, Lineage, Merge, ModelRecord, Trace, Whois

if TYPE_CHECKING:
    from lineage.store import Finding, Index, Rebuilt, SqliteIndex

Watch = Callable[[str, int, int], None]
"""Called with a path, the bytes sketched and the bytes to sketch; an exception from it stops the work."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one path: `error` and `exit_code` say why it failed; `id` is None where nothing was sketched."""

    event: Literal["ingested", "unchanged", "failed"]
    path: str
    id: str | None = None
    name: str | None = None
    params: int | None = None
    tensors: int | None = None
    bytes_read: int | None = None
    seconds: float | None = None
    error: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the indexes, and whether it is part of the shipped reference."""

    record: ModelRecord
    is_reference: bool


class Interrupted(Exception):
    """Raised in a sketching thread once the caller has stopped listening."""


def default_index() -> Path:
    """The folder of the user's own index."""
    from platformdirs import user_data_path

    return user_data_path("lineage", appauthor=False)


def sketch(source: str | Path, depth: Depth | None = None, watch: Watch | None = None) -> CheckpointSketch:
    """Sketch a checkpoint (file, folder or address), or read a `.sketch` file.

    Without `depth`, files on disk are read in full and those at a server sampled, here and below. Raises
    CheckpointError, SketchMismatch.
    """
    return _timed_sketch(source, depth, watch)[0]


def save_sketch(made: CheckpointSketch, path: str | Path) -> None:
    """Write a portable sketch file, whole or not at all. Raises OSError."""
    write_sketch(made, path)


def ingest(
    paths: Iterable[str | Path],
    index: str | Path | None = None,
    *,
    depth: Depth | None = None,
    workers: int = 2,
    watch: Watch | None = None,
) -> Iterator[Ingested]:
    """Add checkpoints and sketches to an index, `workers` at a time, and tell of each as it is done.

    A path that fails never stops the others; an index that cannot be written stops all (Locked, StoreError).
    Each model is added whole or not at all; repeating an ingest changes nothing, and the index is made
    when there is a first model to put into it.
    """
    from lineage import __version__

    folder = _folder(index)
    stop = Event()
    threads = max(1, (os.cpu_count() or 1) // workers)
    pending = iter(dict.fromkeys(str(path) for path in paths))

    def listen(path: str, done: int, total: int) -> None:
        if stop.is_set():
            raise Interrupted
        if watch is not None:
            watch(path, done, total)

    with ExitStack() as stack:
        home = stack.enter_context(store.SqliteIndex.open(folder)) if store.SqliteIndex.is_in(folder) else None
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=workers))
        stack.callback(stop.set)  # called before the pool waits for its threads
        running: set[Future[Ingested | _Made]] = set()
        while True:
            running |= {pool.submit(_make, p, depth, threads, listen) for p in islice(pending, workers - len(running))}
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for made in [future.result() for future in done]:
                if isinstance(made, _Made):
                    if home is None:
                        home = stack.enter_context(store.SqliteIndex.create(folder))
                    yield _added(home, made, __version__)
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
    folder = _folder(index)
    if store.SqliteIndex.is_in(folder):
        with store.SqliteIndex.open(folder) as home:
            held = {_without_commit(place) for one in home.models() for place in (one.source, *one.aliases)}
        sources = [source for source in sources if source not in held]
    if sources:
        require_hub()
    yield from ingest(sources, index, depth=depth, workers=workers, watch=watch)


def whois(
    checkpoint: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> Whois:
    """Say what a checkpoint, a `.sketch` file or a sketch descends from, component by component.

    Searches the user's index (`index`, or the default one if there is any) and the reference. Raises
    NoIndex where that leaves nothing to search.
    """
    from lineage import ancestry

    with indexes(index, reference) as searched:
        if isinstance(checkpoint, CheckpointSketch):
            return ancestry.whois(checkpoint, searched)
        query, read_s, sketch_s = _timed_sketch(checkpoint, depth, watch)
        answer = ancestry.whois(query, searched)
    return replace(answer, timings=replace(answer.timings, read_s=read_s, sketch_s=sketch_s))


def compare(
    a: str | Path | CheckpointSketch,
    b: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """What `a` is to `b`. Each is a checkpoint, a `.sketch` file, a sketch, or an indexed model (see `find`)."""
    from lineage import ancestry

    return ancestry.compare(
        find(a, index, reference=reference, depth=depth, watch=watch),
        find(b, index, reference=reference, depth=depth, watch=watch),
    )


def graph(
    model: str | None = None,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    family: bool = False,
    watch: Callable[[int, int], None] | None = None,
) -> Lineage:
    """The ancestry graph of all models, or of one (see `find`) with its neighbours or its whole `family`.

    `watch` is called with the comparisons that are done and to do. Raises Unknown, NoIndex.
    """
    from lineage import ancestry

    with indexes(index, reference) as searched:
        chosen = None if model is None else _find(model, searched)[0].id
        whole = _whole_graph(searched, watch)
    return whole if chosen is None else ancestry.part_of(whole, chosen, only_neighbours=not family)


def _whole_graph(searched: Sequence[Index], watch: Callable[[int, int], None] | None) -> Lineage:
    """The graph of all models: the one that the user's index keeps, with what is new put in its place."""
    from lineage import __version__, ancestry

    home, *others = searched
    key = "-".join(["all", *(other.id for other in others)])
    version = f"{__version__} {ancestry.METHOD}"
    folder = home.folder if isinstance(home, store.SqliteIndex) else None
    known = None if folder is None else store.kept_graph(folder, key, version)
    whole = ancestry.graph(searched, known=known, watch=watch)
    if folder is not None and (known is None or known.nodes != whole.nodes):
        store.keep_graph(folder, key, version, whole)
    return whole


def trace(
    model: str,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    watch: Callable[[int, int], None] | None = None,
) -> Trace:
    """The ancestry of an indexed model (see `find`) up to its roots. Raises Unknown, NoIndex."""
    from lineage import ancestry

    with indexes(index, reference) as searched:
        record, home = _find(model, searched)
        family = ancestry.part_of(_whole_graph(searched, watch), record.id, only_neighbours=False)
        node = _node_of(record, family)
        is_merge = any(edge.relation == "merged" and edge.child == node for edge in family.edges)
        merge = ancestry.decompose(home.load(record.id), searched) if is_merge else None
    return Trace(node, family, () if merge is None else merge.alternatives)


def decompose(
    checkpoint: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> Merge | None:
    """The models that a checkpoint or indexed model (see `find`) is merged from; None if it is no merge."""
    from lineage import ancestry

    query = find(checkpoint, index, reference=reference, depth=depth, watch=watch)
    with indexes(index, reference) as searched:
        return ancestry.decompose(query, searched)


def find(
    text: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> CheckpointSketch:
    """The sketch of an address, an existing path, or the indexed model of that id, unique prefix, name or alias."""
    if isinstance(text, CheckpointSketch):
        return text
    if is_remote(text) or Path(text).exists():
        return sketch(text, depth, watch)
    with indexes(index, reference) as searched:
        held = _find(str(text), searched)
        return held[1].load(held[0].id)


def models(index: str | Path | None = None, *, reference: bool = True) -> list[Listed]:
    """Every model of the user's index, then of the reference, each ordered by name."""
    with indexes(index, reference) as searched:
        return [Listed(record, not isinstance(one, store.SqliteIndex)) for one in searched for record in one.models()]


def show(model: str, index: str | Path | None = None, *, reference: bool = True) -> tuple[Listed, CheckpointSketch]:
    """Record and sketch of the model of that id, unique prefix, name or alias. Raises Unknown."""
    with indexes(index, reference) as searched:
        record, home = _find(model, searched)
        return Listed(record, not isinstance(home, store.SqliteIndex)), home.load(record.id)


def remove(model: str, index: str | Path | None = None) -> ModelRecord:
    """Take a model out of the user's index; by id, unique prefix, name or alias. Raises Unknown, NoIndex, Locked."""
    with store.SqliteIndex.open(_folder(index)) as home:
        record = home.find(model)
        home.remove(record.id)
        return record


def doctor(index: str | Path | None = None) -> tuple[int, list[Finding]]:
    """Number of models in the user's index, and what an examination found. Raises NoIndex, Malformed."""
    with store.SqliteIndex.open(_folder(index)) as home:
        return len(home), store.examine(home)


def rebuild(index: str | Path | None = None) -> Rebuilt:
    """Make the tables and the cache of the user's index again from its sketch files. Raises NoIndex, Locked."""
    from lineage import __version__

    return store.rebuild(_folder(index), __version__)


@contextmanager
def indexes(index: str | Path | None, reference: bool) -> Iterator[list[Index]]:
    """The indexes to search: the user's, which must exist if it is named, then the reference."""
    with ExitStack() as stack:
        searched: list[Index] = []
        try:
            searched.append(stack.enter_context(store.SqliteIndex.open(_folder(index))))
        except NoIndex:
            if index is not None or not reference:
                raise
        shipped = store.reference_index() if reference else None
        if shipped is not None:
            searched.append(shipped)
        if not searched:
            raise NoIndex(
                f"{_folder(index)}: holds no index, and this copy has no reference: `lineage ingest` makes one"
            )
        yield searched


@dataclass(frozen=True, slots=True)
class _Made:
    path: str
    sketch: CheckpointSketch
    seconds: float


def _make(path: str, depth: Depth | None, threads: int, watch: Watch) -> Ingested | _Made:
    """Sketch one path in a worker thread; whatever goes wrong there is that path's failure alone."""
    started, name = time.perf_counter(), shown(path)
    try:
        made, _, _ = _timed_sketch(path, depth, watch, threads)
    except LineageError as error:
        return Ingested("failed", name, error=str(error), exit_code=error.exit_code)
    except OSError as error:
        return Ingested("failed", name, error=f"{name}: {error.strerror or error}", exit_code=1)
    except Exception as error:  # one bad file must not stop the others
        return Ingested("failed", name, error=f"{name}: {type(error).__name__}: {error}", exit_code=1)
    return _Made(name, made, time.perf_counter() - started)


def _added(home: SqliteIndex, made: _Made, version: str) -> Ingested:
    source = made.sketch.path if is_remote(made.path) else str(Path(made.path).absolute())
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
    )


def _timed_sketch(
    source: str | Path, depth: Depth | None, watch: Watch | None, threads: int | None = None
) -> tuple[CheckpointSketch, float, float]:
    """A sketch with the seconds spent on opening and on sketching."""
    started = time.perf_counter()
    if is_sketch_file(source):
        made = replace(read_sketch(source), path=str(source))
        return made, time.perf_counter() - started, 0.0
    checkpoint = open_checkpoint(source)
    opened = time.perf_counter()
    step = None if watch is None else lambda done, total: watch(shown(str(source)), done, total)
    depth = depth or ("sampled" if is_remote(source) else "full")
    made = sketch_checkpoint(checkpoint, depth, threads=threads or os.cpu_count() or 1, watch=step)
    return made, opened - started, time.perf_counter() - opened


def _without_commit(source: str) -> str:
    """`hf:org/name` of `hf:org/name@commit`."""
    return re.sub("@[0-9a-f]{40,64}", "", source)


def _find(text: str, searched: Iterable[Index]) -> tuple[ModelRecord, Index]:
    """The one model that `text` means, the user's own index first."""
    for index in searched:
        found = store.find_model(text, index.models())
        if found:
            return store.only_one(text, found, "the index"), index
    raise Unknown(f"{text!r} is neither a file nor a model of the index: `lineage list` shows the models")


def _node_of(record: ModelRecord, family: Lineage) -> str:
    """The node that stands for a model: its own, or that of the copy into which it was folded."""
    return next(node.id for node in family.nodes if record.id in (node.id, *node.copies))


def _folder(index: str | Path | None) -> Path:
    return default_index() if index is None else Path(index)
