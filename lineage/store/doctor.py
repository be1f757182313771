"""Is the index whole? Read only, and safe while another process writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.errors import LineageError
from lineage.sketch import FAMILY, read_sketch
from lineage.sketch.layouts import content_key, layout_id
from lineage.sketch.sealing import contradiction
from lineage.store.bad_rows import BadRow
from lineage.store.comparison_cache import KNOWN, is_sound_cache
from lineage.store.database import plain_errors
from lineage.store.files import COMPARISONS, HANDED_OVER, SKETCHES, VECTORS
from lineage.store.graph_cache import FOLDER as GRAPHS
from lineage.store.graph_cache import is_sound_graph
from lineage.store.held import Held, held_of, sha256
from lineage.store.overview import component_params
from lineage.store.rows import model_row, records, rows_of, seen, storable, tensor_rows
from lineage.store.schema import missing_parts
from lineage.store.segments import SUFFIX, is_sound, read_segment
from lineage.store.sqlite import SqliteIndex
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
    """Check the tables, every sketch against its rows, and the caches; damage first."""
    with plain_errors(index.folder):
        findings = [*_tables(index)]
        if not any(finding.is_damage for finding in findings):
            findings += [*_sketches(index), *_strays(index)]
        findings += _caches(index)
    return sorted(findings, key=lambda finding: not finding.is_damage)


def _tables(index: SqliteIndex) -> Iterator[Finding]:
    """Faults of the database itself; nothing else can be checked while there are any."""
    where = str(index.folder)
    for (line,) in index.db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Finding(True, where, f"the database is damaged ({line}): run `lineage rebuild`")
    lost = missing_parts(index.db)
    if lost:
        yield Finding(True, where, f"the database has no {', '.join(lost)} as this version makes it: `lineage rebuild`")
        return
    for table, *_ in index.db.execute("PRAGMA foreign_key_check"):
        yield Finding(True, where, f"a row of {table} belongs to no model: run `lineage rebuild`")
    with index.db.atomic():  # both as of one moment: another process may write between
        is_right = told(index.db) == counted(index.db)
    if not is_right:
        yield Finding(True, where, "the totals are not those of the models: run `lineage rebuild`")
    try:
        records(index.db)
        rows_of(index.db, "segments")
    except BadRow as error:
        yield Finding(True, where, f"{error}: run `lineage rebuild`")
    unfinished = list(index.db.table("runs").rows_where("finished is null"))
    for run in unfinished:
        yield Finding(False, where, f"the ingest of {run['started']} was interrupted or still runs: it can be repeated")


def _sketches(index: SqliteIndex) -> Iterator[Finding]:
    for row in list(index.db.table("models").rows_where(order_by="name, id")):
        model = row["id"]
        what = f"{model[:12]} ({row['name']})"
        if row["family"] != FAMILY:
            yield _foreign(index, row, what)
            continue
        with index.db.atomic():  # what another process has replaced or removed since is not damaged
            held = held_of(index.db, model)
            row = next(iter(index.db.table("models").rows_where("id = ?", [model])), row)  # noqa: PLW2901
        if not held:
            continue
        first, *further = held
        sketch = _sound(index, first)
        yield from _told(index, first, what, sketch if isinstance(sketch, str) else _problem(index, row, sketch))
        for one in further:
            other = f"{model[:12]} ({one.name}, another layout)"
            yield from _told(index, one, other, _layout_problem(sketch, one, _sound(index, one)))


def _foreign(index: SqliteIndex, row: Mapping[str, Any], what: str) -> Finding:
    """A model of another sketch family, or a row that is wrong about it."""
    try:
        read_sketch(index.sketch_file(row["id"], None, seen(row)))
    except (LineageError, OSError):
        return Finding(False, what, f"is of sketch family {row['family']!r} and is not searched: ingest it again")
    return Finding(True, what, "its rows are not those of its sketch: run `lineage rebuild`")


def _told(index: SqliteIndex, held: Held, what: str, problem: str | None) -> Iterator[Finding]:
    """A problem as damage, unless another process has since replaced or removed what has it."""
    if problem and held in held_of(index.db, held.model):
        yield Finding(True, what, f"{problem}: ingest it again, or `lineage remove {held.model[:12]}`")


def _problem(index: SqliteIndex, row: Mapping[str, Any], sketch: CheckpointSketch) -> str | None:
    model = sketch.id
    with index.db.atomic():
        now = [one["file_sha256"] for one in index.db.table("models").rows_where("id = ?", [model])]
        rows = list(index.db.query(f"select {_COLUMNS} from tensors where model = ? order by place", [model]))  # noqa: S608
        parts = list(index.db.table("components").rows_where("model = ?", [model]))
    if now != [row["file_sha256"]]:
        return None  # replaced meanwhile
    counts = {part["name"]: part["params"] for part in parts}
    expected = {storable(name): params for name, params in component_params(sketch).items()}
    own = {column: row[column] for column in model_row(sketch)}
    if own["content"] is None:  # of an older version, until a rebuild
        own["content"] = content_key(sketch)
    if own != model_row(sketch) or rows != list(tensor_rows(sketch)) or counts != expected:
        return "its rows are not those of its sketch; `lineage rebuild` mends that"
    return None


def _layout_problem(first: CheckpointSketch | str, held: Held, sketch: CheckpointSketch | str) -> str | None:
    if isinstance(sketch, str):
        return sketch
    if layout_id(sketch) != held.layout:
        return "its sketch file is that of another layout"
    if isinstance(first, str) or contradiction(first, sketch) is None:
        return None
    return "its figures are not those of its model's first layout"


def _sound(index: SqliteIndex, held: Held) -> CheckpointSketch | str:
    """The sketch of a model in one layout, or what is wrong with its file."""
    try:
        path = index.sketch_file(held.model, held.layout, held.weights_seen)
        if sha256(path) != held.file_sha256:
            return "its sketch file is not the one that was written"
        sketch = read_sketch(path)
    except FileNotFoundError:
        return "its sketch file is missing"
    except (LineageError, OSError) as error:
        return f"its sketch file cannot be read ({error})"
    return sketch if sketch.id == held.model else "its sketch file is that of another model"


def _strays(index: SqliteIndex) -> Iterator[Finding]:
    """Sketch files that no row names, and files of no known name."""
    models = index.db.table("models").rows_where(select="id")
    known = {one.path(index.folder) for row in list(models) for one in held_of(index.db, row["id"])}
    folders = [index.folder / SKETCHES, index.folder / HANDED_OVER]
    strays = [path for folder in folders for path in sorted(folder.glob("*.sketch")) if path not in known]
    # Every ingest records its run before its first sketch: sketches without any run mean that the tables were lost.
    tables_were_lost = bool(strays) and index.db.table("runs").count == 0
    for path in strays:
        if not path.is_file():
            yield Finding(False, str(path), "is not a plain file, and none of this index: take it away")
        elif tables_were_lost:
            yield Finding(True, str(path), "the tables do not know this sketch: run `lineage rebuild`")
        elif not _is_taken_in(path):
            yield Finding(False, str(path), "is not a sketch of the model of its name, and of no use: take it away")
        else:
            yield Finding(False, str(path), "left by an interrupted ingest or remove: `lineage rebuild` takes it in")
    for path in index.leftovers():
        yield Finding(False, str(path), "half written by an interrupted ingest: the next one clears it")


def _is_taken_in(path: Path) -> bool:
    """Whether a stray file is the sketch that its name gives, so that a rebuild would take it."""
    try:
        return read_sketch(path).id == path.name.partition(".")[0]
    except (LineageError, OSError):
        return False


def _caches(index: SqliteIndex) -> Iterator[Finding]:
    vectors = [(path, is_sound) for path in sorted((index.folder / VECTORS).glob(f"*{SUFFIX}"))]
    graphs = [(path, is_sound_graph) for path in sorted((index.folder / GRAPHS).glob("*.json"))]
    kept = index.folder / COMPARISONS / KNOWN
    comparisons = [(kept, is_sound_cache)] if os.path.lexists(kept) else []
    for path, is_whole in (*vectors, *graphs, *comparisons):
        if _is_whole(path, is_whole) or not os.path.lexists(path):  # taken away meanwhile, by a writer
            continue
        if path.suffix == SUFFIX and read_segment(path) is not None:
            yield Finding(True, str(path), "is searched and is not what was written: run `lineage rebuild`")
        else:
            yield Finding(False, str(path), "a damaged cache: it is made again when it is next needed")


def _is_whole(path: Path, is_sound: Callable[[Path], bool]) -> bool:
    try:
        return path.is_file() and is_sound(path)
    except OSError:
        return False
