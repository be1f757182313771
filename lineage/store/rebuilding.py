"""Rebuilding tables and cache from the sketch files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import NoTable

from lineage.errors import LineageError, NoIndex, SketchMismatch
from lineage.sketch import FAMILY, read_sketch
from lineage.sketch.layouts import layout_id
from lineage.sketch.sealing import contradiction
from lineage.store.bad_rows import BadRow
from lineage.store.comparison_cache import KNOWN
from lineage.store.database import is_of_the_disk, open_database, plain_errors, require_files
from lineage.store.files import COMPARISONS, DATABASE, HANDED_OVER, SKETCHES, VECTORS, take_away
from lineage.store.graph_cache import FOLDER as GRAPHS
from lineage.store.held import sha256
from lineage.store.lock import writing
from lineage.store.rows import (
    PARTS,
    Row,
    begin_run,
    delete_model,
    insert_aliases,
    insert_layout,
    insert_model,
    now,
    rows_of,
    seen,
)
from lineage.store.schema import is_current, missing_parts, upgrade
from lineage.store.segments import SUFFIX
from lineage.store.sqlite import SqliteIndex
from lineage.store.totals import recount
from lineage.types import CheckpointSketch


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many models an index has after a rebuild, and which sketch files were left out, with the reason."""

    models: int
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What only the old tables knew: rows of `models` by id, aliases by model, rows of `layouts`."""

    models: dict[str, Row] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    layouts: dict[tuple[str, str], Row] = field(default_factory=dict)


def rebuild(folder: str | Path, version: str) -> Rebuilt:
    """Fill the tables from the sketch files and make the cache again.

    Paths, dates, aliases and whether weights were seen are taken from the old tables if they have them; models of other
    sketch families are unchanged. A database that cannot be read, or lacks tables, is set aside as
    `lineage.sqlite.damaged`. Raises NoIndex, Locked, StoreError.
    """
    where = Path(folder)
    if not (where / DATABASE).is_file() and not (where / SKETCHES).is_dir():
        raise NoIndex(f"{where}: holds no index: `lineage ingest` makes one")
    require_files(where)
    with plain_errors(where), writing(where):
        (where / SKETCHES).mkdir(exist_ok=True)
        db, known = _readable(where)
        left_out: list[tuple[str, str]] = []
        with closing(db), db.atomic():
            for table in PARTS:
                db.table(table).delete_where("model not in (select id from models where family != ?)", [FAMILY])
            db.table("models").delete_where("family = ?", [FAMILY])
            db.table("segments").delete_where()
            db.execute("update models set segment = null")
            recount(db)
            others = {str(row["id"]) for row in db.table("models").rows_where()}
            run = begin_run(db, version)
            for path, sketch in _sound_sketches(where, others, left_out):
                layout = path.stem.partition(".")[2]
                if layout:
                    _insert_layout(db, sketch, layout, sha256(path), known)
                else:
                    _insert(db, sketch, sha256(path), run, known)
            db.table("runs").update(run, {"finished": now()})
        compared = (where / COMPARISONS).glob(f"*{KNOWN}*")  # and what a killed process left
        for cache in (*(where / VECTORS).glob(f"*{SUFFIX}"), *(where / GRAPHS).glob("*.json"), *compared):
            take_away(cache)
    with SqliteIndex.open(where) as index:
        index.settle()
        return Rebuilt(len(index), tuple(left_out))


def _readable(folder: Path) -> tuple[Database, _Known]:
    """A database with current tables, and what the old one knew."""
    known = _Known()
    with ExitStack() as opened:  # a file that is open cannot be set aside on every system
        try:
            db = open_database(folder)
            opened.callback(db.close)
            if not is_current(db):
                upgrade(db)
            is_sound = not missing_parts(db) and db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            known = _known(db)
            if is_sound:
                opened.pop_all()
                return db, known
        except NoTable:
            pass
        except sqlite3.DatabaseError as error:
            if is_of_the_disk(error):
                raise
    for ending in ("", "-wal", "-shm"):
        part = folder / f"{DATABASE}{ending}"
        if part.exists():
            part.replace(folder / f"{DATABASE}.damaged{ending}")
    db = open_database(folder)
    upgrade(db)
    return db, known


def _known(db: Database) -> _Known:
    """What can be read of the tables of models, each by itself."""
    known = _Known()
    with suppress(sqlite3.DatabaseError, BadRow):
        known.models.update({row["id"]: row for row in rows_of(db, "models")})
    with suppress(sqlite3.DatabaseError, BadRow):
        for row in rows_of(db, "aliases"):
            known.aliases.setdefault(row["model"], []).append(row["alias"])
    with suppress(sqlite3.DatabaseError, BadRow):
        known.layouts.update({(row["model"], row["id"]): row for row in rows_of(db, "layouts")})
    return known


def _sound_sketches(
    folder: Path, others: Collection[str], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Path, CheckpointSketch]]:
    """The sketches that this version reads; `others` are known as models of another family.

    First those that were made here, then those that were handed over; of each kind further layouts last.
    """
    first: dict[str, CheckpointSketch] = {}
    for path in _sketch_files(folder):
        model, _, layout = path.stem.partition(".")
        try:
            sketch = read_sketch(path)
        except SketchMismatch as error:
            if model not in others:
                left_out.append((str(path), str(error)))
            continue
        except (LineageError, OSError) as error:
            left_out.append((str(path), str(error)))
            continue
        why = _misplaced(sketch, model, layout, first.get(model))
        if why is not None:
            left_out.append((str(path), f"{path}: {why}"))
            continue
        first.setdefault(model, sketch)
        yield path, replace(sketch, weights_seen=False if path.parent.name == HANDED_OVER else None)


def _sketch_files(folder: Path) -> list[Path]:
    parts = [sorted((folder / part).glob("*.sketch")) for part in (SKETCHES, HANDED_OVER)]
    return [path for files in parts for path in sorted(files, key=lambda path: ("." in path.stem, path))]


def _misplaced(sketch: CheckpointSketch, model: str, layout: str, first: CheckpointSketch | None) -> str | None:
    """Why a sketch is not taken in under the name of its file."""
    if sketch.id != model or layout not in ("", layout_id(sketch)):
        return f"holds the sketch of {sketch.id}"
    if layout and first is None:
        return "is another layout of a model that is not here: ingest it again"
    if not layout and first is not None:
        return "was handed over, and is here as it was made from the weights"
    figure = None if first is None else contradiction(first, sketch)
    return None if figure is None else f"has other {figure} than another sketch of its model: ingest it again"


def _insert_layout(db: Database, sketch: CheckpointSketch, layout: str, file_sha256: str, known: _Known) -> None:
    old = known.layouts.get((sketch.id, layout))
    if old is not None:
        sketch = replace(sketch, path=str(old["source"] or ""), weights_seen=_still_seen(sketch, old))
    insert_layout(db, sketch, layout, file_sha256)


def _insert(db: Database, sketch: CheckpointSketch, file_sha256: str, run: int, known: _Known) -> None:
    delete_model(db, sketch.id)  # a damaged row may have called it one of another family
    old = known.models.get(sketch.id)
    if old is None:
        insert_model(db, sketch, file_sha256, run)
    else:
        kept = replace(sketch, path=str(old["source"] or ""), weights_seen=_still_seen(sketch, old))
        insert_model(db, kept, file_sha256, run)
        db.table("models").update(sketch.id, {"added": old["added"]})
    insert_aliases(db, sketch.id, known.aliases.get(sketch.id, ()))


def _still_seen(sketch: CheckpointSketch, old: Row) -> bool | None:
    """Whether the weights were seen, by the old row; a sketch that was handed over remains one."""
    return False if sketch.weights_seen is False else seen(old) or None
