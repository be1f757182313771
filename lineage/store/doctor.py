"""Is the index whole? Read only, and safe while another process writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lineage.errors import LineageError
from lineage.sketch import FAMILY, read_sketch
from lineage.sketch.layouts import layout_id
from lineage.store.database import plain_errors
from lineage.store.files import VECTORS
from lineage.store.rows import component_params, storable, tensor_rows
from lineage.store.segments import SUFFIX, is_sound
from lineage.store.sqlite import SqliteIndex, sha256
from lineage.store.totals import counted, told
from lineage.types import CheckpointSketch

_COLUMNS = "model, place, name, component, digest, band_digest"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `examine` saw: `is_damage` or a harmless note; what, where, and what to do."""

    is_damage: bool
    where: str
    problem: str


def examine(index: SqliteIndex) -> list[Finding]:
    """Check the tables, every sketch against its rows, and the cache; damage first."""
    with plain_errors(index.folder):
        findings = [*_tables(index), *_sketches(index), *_strays(index), *_cache(index)]
    return sorted(findings, key=lambda finding: not finding.is_damage)


def _tables(index: SqliteIndex) -> Iterator[Finding]:
    where = str(index.folder)
    for (line,) in index.db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Finding(True, where, f"the database is damaged ({line}): run `lineage rebuild`")
    for table, *_ in index.db.execute("PRAGMA foreign_key_check"):
        yield Finding(True, where, f"a row of {table} belongs to no model: run `lineage rebuild`")
    if told(index.db) != counted(index.db):
        yield Finding(True, where, "the totals are not those of the models: run `lineage rebuild`")
    unfinished = list(index.db.table("runs").rows_where("finished is null"))
    for run in unfinished:
        yield Finding(False, where, f"the ingest of {run['started']} was interrupted or still runs: it can be repeated")


def _sketches(index: SqliteIndex) -> Iterator[Finding]:
    for row in list(index.db.table("models").rows_where(order_by="name, id")):
        what = f"{row['id'][:12]} ({row['name']})"
        if row["family"] != FAMILY:
            yield Finding(False, what, f"is of sketch family {row['family']!r} and is not searched: ingest it again")
            continue
        problem = _problem(index, row["id"], row["file_sha256"])
        # A model that another process has taken out since is no damage.
        if problem and index.db.table("models").count_where("id = ?", [row["id"]]):
            yield Finding(True, what, f"{problem}: ingest it again, or `lineage remove {row['id'][:12]}`")
    for row in list(index.db.table("layouts").rows_where(order_by="name, id")):
        problem = _layout_problem(index, row["model"], row["id"], row["file_sha256"])
        if problem and index.db.table("layouts").count_where("model = ? and id = ?", [row["model"], row["id"]]):
            what = f"{row['model'][:12]} ({row['name']}, another layout)"
            yield Finding(True, what, f"{problem}: ingest it again, or `lineage remove {row['model'][:12]}`")


def _problem(index: SqliteIndex, model: str, file_sha256: str) -> str | None:
    sketch = _sound(index, model, None, file_sha256)
    if isinstance(sketch, str):
        return sketch
    rows = list(index.db.query(f"select {_COLUMNS} from tensors where model = ? order by place", [model]))  # noqa: S608
    counts = {row["name"]: row["params"] for row in index.db.table("components").rows_where("model = ?", [model])}
    expected = {storable(name): params for name, params in component_params(sketch).items()}
    if rows != tensor_rows(sketch) or counts != expected:
        return "its rows are not those of its sketch; `lineage rebuild` mends that"
    return None


def _layout_problem(index: SqliteIndex, model: str, layout: str, file_sha256: str) -> str | None:
    sketch = _sound(index, model, layout, file_sha256)
    if isinstance(sketch, str):
        return sketch
    return None if layout_id(sketch) == layout else "its sketch file is that of another layout"


def _sound(index: SqliteIndex, model: str, layout: str | None, file_sha256: str) -> CheckpointSketch | str:
    """The sketch of a model in one layout, or what is wrong with its file."""
    try:
        path = index.sketch_file(model, layout)
        if sha256(path) != file_sha256:
            return "its sketch file is not the one that was written"
        sketch = read_sketch(path)
    except FileNotFoundError:
        return "its sketch file is missing"
    except (LineageError, OSError) as error:
        return f"its sketch file cannot be read ({error})"
    return sketch if sketch.id == model else "its sketch file is that of another model"


def _strays(index: SqliteIndex) -> Iterator[Finding]:
    known = {row["id"] for row in index.db.table("models").rows_where(select="id")}
    known |= {f"{row['model']}.{row['id']}" for row in index.db.table("layouts").rows_where(select="model, id")}
    strays = [path for path in sorted(index.sketch_folder.glob("*.sketch")) if path.stem not in known]
    # Every ingest records its run before its first sketch: sketches without any run mean that the tables were lost.
    tables_were_lost = bool(strays) and index.db.table("runs").count == 0
    for path in strays:
        if tables_were_lost:
            yield Finding(True, str(path), "the tables do not know this sketch: run `lineage rebuild`")
        else:
            yield Finding(False, str(path), "left by an interrupted ingest or remove: `lineage rebuild` takes it in")
    for path in index.leftovers():
        yield Finding(False, str(path), "half written by an interrupted ingest: the next one clears it")


def _cache(index: SqliteIndex) -> Iterator[Finding]:
    for path in sorted((index.folder / VECTORS).glob(f"*{SUFFIX}")):
        if not is_sound(path):
            yield Finding(False, str(path), "a damaged cache: it is made again when it is next needed")
