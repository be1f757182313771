"""A folder that is scanned repeatedly: what appears there is ingested once it no longer grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lineage.api.ingesting import Ingested, ingest
from lineage.api.sketching import Watch
from lineage.checkpoints import models_in
from lineage.errors import Locked
from lineage.types import Depth

_NO_WEIGHTS = frozenset({"", ".csv", ".json", ".md", ".part", ".toml", ".tmp", ".txt", ".yaml", ".yml"})
Look = dict[str, tuple[tuple[str, int, int], ...]]
"""Each model of a folder with the names, sizes and times of its files."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two scans. With `is_once` it ends when no model is left that still grows."""

    every_s: float = 10.0
    is_once: bool = False


def watch_folder(
    folder: str | Path,
    index: str | Path | None = None,
    *,
    depth: Depth | None = None,
    pace: Pace | None = None,
    watch: Watch | None = None,
) -> Iterator[Ingested]:
    """Ingest every model of a folder, now and as they appear or change, and yield the result for each.

    A file in it is a model by itself, a folder in it as `ingest` takes one.
    A model is ingested when two consecutive scans find the same files: what is still being copied waits. One that
    fails is tried again when its files change. While another process writes to the index, it waits. Raises
    CheckpointError for a folder that cannot be listed, OSError, StoreError.
    """
    place, pace = Path(folder), pace or Pace()
    done: Look = {}
    before: Look = {}
    while True:
        now = _look(place)
        ready = [model for model, files in now.items() if files == before.get(model) and files != done.get(model)]
        for model in ready:
            try:
                yield from ingest([model], index, depth=depth, watch=watch)
            except Locked:  # at the next scan
                continue
            done[model] = now[model]
        if pace.is_once and all(done.get(model) == files for model, files in now.items()):
            return
        before = now
        time.sleep(pace.every_s)


def _look(place: Path) -> Look:
    entries = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir() and any(file.is_file() for file in entry.rglob("*"))]
    models = [entry for entry in entries if entry.is_file() and entry.suffix.lower() not in _NO_WEIGHTS]
    models += [model for folder in folders for model in models_in(folder)]
    return {str(model): tuple(_files(model)) for model in models}


def _files(model: Path) -> Iterator[tuple[str, int, int]]:
    for file in sorted(model.rglob("*")) if model.is_dir() else [model]:
        try:
            about = file.stat()
        except FileNotFoundError:  # removed since it was listed
            continue
        yield str(file), about.st_size, about.st_mtime_ns
