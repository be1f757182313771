"""Making tables and cache again from the sketch files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from sqlite_utils import Database

from lineage.errors import LineageError, NoIndex, SketchMismatch
from lineage.sketch import FAMILY, read_sketch
from lineage.sketch.layouts import layout_id
from lineage.store.database import open_database, plain_errors
from lineage.store.files import DATABASE, SKETCHES, VECTORS
from lineage.store.graph_cache import FOLDER as GRAPHS
from lineage.store.lock import writing
from lineage.store.rows import PARTS, Row, begin_run, delete_model, insert_layout, insert_model, now
from lineage.store.schema import is_current, upgrade
from lineage.store.segments import SUFFIX
from lineage.store.sqlite import SqliteIndex, sha256
from lineage.store.totals import recount
from lineage.types import CheckpointSketch


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many models an index has after a rebuild, and which sketch files were left out, with the reason."""

    models: int
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What only the old tables knew: rows of `models` by id, their aliases, rows of `layouts`."""

    models: dict[str, Row]
    aliases: tuple[Row, ...]
    layouts: dict[tuple[str, str], Row]


def rebuild(folder: str | Path, version: str) -> Rebuilt:
    """Fill the tables from `sketches/` and make the cache again; names, dates and aliases are kept where readable.

    Models of other sketch families are kept as they are.

    A database that cannot be read is set aside as `lineage.sqlite.damaged`. Raises NoIndex, Locked, StoreError.
    """
    where = Path(folder)
    if not (where / DATABASE).is_file() and not (where / SKETCHES).is_dir():
        raise NoIndex(f"{where}: holds no index: `lineage ingest` makes one")
    with plain_errors(where), writing(where):
        (where / SKETCHES).mkdir(exist_ok=True)
        db, known = _readable(where)
        left_out: list[tuple[str, str]] = []
        with closing(db), db.atomic():
            for table in PARTS:
                db.table(table).delete_where("model not in (select id from models where family != ?)", [FAMILY])
            for table in ("models", "segments"):
                db.table(table).delete_where("family = ?", [FAMILY])
            others = {str(row["id"]) for row in db.table("models").rows_where()}
            run = begin_run(db, version)
            for path, sketch in _sound_sketches(where / SKETCHES, others, left_out):
                layout = path.stem.partition(".")[2]
                if layout:
                    _insert_layout(db, sketch, layout, sha256(path), known)
                else:
                    _insert(db, sketch, sha256(path), run, known)
            recount(db)
            db.table("runs").update(run, {"finished": now()})
        for cache in (*(where / VECTORS).glob(f"*{SUFFIX}"), *(where / GRAPHS).glob("*.json")):
            cache.unlink()
    with SqliteIndex.open(where) as index:
        index.settle()
        return Rebuilt(len(index), tuple(left_out))


def _readable(folder: Path) -> tuple[Database, _Known]:
    """A database with current tables, and what the old one knew."""
    known = _Known({}, (), {})
    with ExitStack() as opened:  # a file that is open cannot be set aside on every system
        try:
            db = open_database(folder)
            opened.callback(db.close)
            if not is_current(db):
                upgrade(db)
            read = _Known(
                {row["id"]: row for row in db.table("models").rows_where()},
                tuple(db.table("aliases").rows_where()),
                {(row["model"], row["id"]): row for row in db.table("layouts").rows_where()},
            )
            is_sound = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            known = read
            if is_sound:
                opened.pop_all()
                return db, known
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise  # locked, full or closed to us: not damaged
        except sqlite3.DatabaseError:
            pass
    for ending in ("", "-wal", "-shm"):
        part = folder / f"{DATABASE}{ending}"
        if part.exists():
            part.replace(folder / f"{DATABASE}.damaged{ending}")
    db = open_database(folder)
    upgrade(db)
    return db, known


def _sound_sketches(
    folder: Path, others: Collection[str], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Path, CheckpointSketch]]:
    """The sketches that this version reads; `others` are known as models of another family."""
    seen: set[str] = set()
    for path in sorted(folder.glob("*.sketch"), key=lambda path: ("." in path.stem, path)):  # further layouts last
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
        if sketch.id != model or layout not in ("", layout_id(sketch)):
            left_out.append((str(path), f"{path}: holds the sketch of {sketch.id}"))
        elif layout and model not in seen:
            left_out.append((str(path), f"{path}: is another layout of a model that is not here: ingest it again"))
        else:
            seen.add(model)
            yield path, sketch


def _insert_layout(db: Database, sketch: CheckpointSketch, layout: str, file_sha256: str, known: _Known) -> None:
    old = known.layouts.get((sketch.id, layout))
    if old is not None:
        sketch = replace(sketch, name=str(old["name"]), path=str(old["source"] or ""))
    insert_layout(db, sketch, layout, file_sha256)


def _insert(db: Database, sketch: CheckpointSketch, file_sha256: str, run: int, known: _Known) -> None:
    delete_model(db, sketch.id)  # a damaged row may have called it one of another family
    old = known.models.get(sketch.id)
    if old is None:
        insert_model(db, sketch, file_sha256, run)
        return
    insert_model(db, replace(sketch, name=str(old["name"]), path=str(old["source"] or "")), file_sha256, run)
    db.table("models").update(sketch.id, {"added": old["added"]})
    db.table("aliases").insert_all(dict(row) for row in known.aliases if row["model"] == sketch.id)
