"""From a sketch to the rows of the tables, and from rows to a record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from lineage.sketch.adapters import kind_of
from lineage.sketch.layouts import content_key
from lineage.store.bad_rows import BadRow
from lineage.store.overview import component_params
from lineage.store.totals import count
from lineage.types import CheckpointSketch, Declared, Layout, ModelRecord

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = Mapping[str, Any]
PARTS = ("tensors", "components", "declared", "aliases", "layouts")
"""Tables whose rows belong to one row of `models`."""
_BATCH = 500  # SQLite takes at most 999 parameters in old builds

_TEXT, _PERHAPS, _NUMBER = (str,), (str, type(None)), (int,)
_TYPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "models": {
        "id": _TEXT, "name": _TEXT, "family": _TEXT, "depth": _TEXT, "source": _PERHAPS, "format": _TEXT,
        "architecture": _TEXT, "params": _NUMBER, "licence": _PERHAPS, "added": _TEXT, "file_sha256": _TEXT,
        "content": _PERHAPS, "weights_seen": (int, type(None)), "kind": _TEXT, "tensors": _NUMBER, "segment": _PERHAPS,
    },
    "segments": {"name": _TEXT, "family": _TEXT, "kind": _TEXT, "models": _NUMBER, "dead": _NUMBER},
    "components": {"model": _TEXT, "name": _TEXT, "params": _NUMBER},
    "declared": {"model": _TEXT, "parent": _TEXT, "relation": _PERHAPS, "source": _TEXT},
    "aliases": {"model": _TEXT, "alias": _TEXT},
    "layouts": {
        "model": _TEXT, "id": _TEXT, "name": _TEXT, "source": _PERHAPS, "format": _TEXT, "file_sha256": _TEXT,
        "weights_seen": (int, type(None)),
    },
}  # fmt: skip
"""What a column may hold: SQLite keeps whatever is put into it."""


def now() -> str:
    """The present second, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def storable(text: str | None) -> str | None:
    """`text` as a database can hold it: lone surrogates, which hostile headers and odd file names have, escaped."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def tensor_rows(sketch: CheckpointSketch) -> Iterator[dict[str, Any]]:
    """Rows of the table `tensors`, in the order of the sketch."""
    return (
        {
            "model": sketch.id, "place": place, "name": storable(tensor.name),
            "component": storable(tensor.part.component), "digest": storable(tensor.digest),
            "band_digest": storable(tensor.band_digest),
        }
        for place, tensor in enumerate(sketch.outlines)
    )  # fmt: skip


def model_row(sketch: CheckpointSketch) -> dict[str, Any]:
    """The columns of `models` that come from the sketch itself."""
    return {
        "id": sketch.id, "name": storable(sketch.name), "family": sketch.family, "depth": sketch.depth,
        "format": storable(sketch.format), "architecture": storable(sketch.architecture), "params": sketch.params,
        "nbytes": sketch.nbytes, "licence": storable(sketch.licence), "content": content_key(sketch),
        "kind": kind_of(sketch), "tensors": len(sketch.tensors),
    }  # fmt: skip


def insert_model(db: Database, sketch: CheckpointSketch, file_sha256: str, run: int) -> None:
    """Add the rows of one model; the caller holds the transaction."""
    db.table("models").insert(
        {
            **model_row(sketch), "source": storable(sketch.path), "added": now(), "file_sha256": file_sha256,
            "run": run, "weights_seen": sketch.weights_seen,
        }
    )  # fmt: skip
    count(db, sketch.id, sketch.family, kind_of(sketch), 1)
    # Not by `insert_all`, which looks at the type of each value of each row.
    db.conn.executemany(
        "insert into tensors (model, place, name, component, digest, band_digest)"
        " values (:model, :place, :name, :component, :digest, :band_digest)",
        tensor_rows(sketch),
    )
    db.table("components").insert_all(
        {"model": sketch.id, "name": storable(name), "params": params}
        for name, params in component_params(sketch).items()
    )
    db.table("declared").insert_all(
        {
            "model": sketch.id, "place": i, "parent": storable(d.model),
            "relation": storable(d.relation), "source": storable(d.source),
        }
        for i, d in enumerate(sketch.declared)
    )  # fmt: skip


def insert_layout(db: Database, sketch: CheckpointSketch, layout: str, file_sha256: str) -> None:
    """Add the row of a further layout of a model that is there; the caller holds the transaction."""
    db.table("layouts").insert(
        {
            "model": sketch.id, "id": layout, "name": storable(sketch.name), "source": storable(sketch.path),
            "format": storable(sketch.format), "file_sha256": file_sha256, "added": now(),
            "weights_seen": sketch.weights_seen,
        }
    )  # fmt: skip


def new_aliases(db: Database, sketch: CheckpointSketch) -> list[str]:
    """Name and path of a sketch, as far as its model is not known by them yet."""
    known = {value for row in rows_of(db, "models", "id = ?", [sketch.id]) for value in (row["name"], row["source"])}
    known |= {row["alias"] for row in rows_of(db, "aliases", "model = ?", [sketch.id])}
    names = dict.fromkeys((storable(sketch.name), storable(sketch.path)))
    return [alias for alias in names if alias and alias not in known]


def insert_aliases(db: Database, model: str, aliases: Iterable[str]) -> None:
    """Add names and paths of a model; the caller holds the transaction."""
    db.table("aliases").insert_all({"model": model, "alias": alias} for alias in aliases)


def begin_run(db: Database, version: str) -> int:
    """Add a row of `runs` that has no end yet, and return its number."""
    return cast(int, db.table("runs").insert({"started": now(), "version": version}).last_pk)


def delete_model(db: Database, model: str) -> None:
    """Delete the rows of one model, if there are any; the caller holds the transaction."""
    for table in PARTS:
        db.table(table).delete_where("model = ?", [model])
    for row in list(db.table("models").rows_where("id = ?", [model], select="family, kind, segment")):
        count(db, model, row["family"], row["kind"], -1)
        db.execute("update segments set dead = dead + 1 where name = ?", [row["segment"]])
    db.table("models").delete_where("id = ?", [model])


def leave_segment(db: Database, model: str) -> None:
    """Have the search codes of a model made again from its sketch; those in its segment no longer count."""
    for row in list(db.table("models").rows_where("id = ? and segment is not null", [model], select="segment")):
        db.execute("update segments set dead = dead + 1 where name = ?", [row["segment"]])
        db.execute("update models set segment = null where id = ?", [model])


def forget_segment(db: Database, model: str) -> None:
    """Drop the segment with the codes of a model, which are out of date: those of all models in it are made again."""
    for row in list(db.table("models").rows_where("id = ? and segment is not null", [model], select="segment")):
        db.execute("update models set segment = null where segment = ?", [row["segment"]])
        db.execute("delete from segments where name = ?", [row["segment"]])


def records(db: Database, models: Collection[str] | None = None) -> list[ModelRecord]:
    """The models of these ids that are there, or every one, by name and id, as at one moment. Raises BadRow."""
    with db.atomic():  # one snapshot for all tables
        if models is None:
            return _records(db, "", [])
        wanted = sorted(models)
        batches = (wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH))
        found = [one for batch in batches for one in _records(db, ",".join("?" * len(batch)), batch)]
    return sorted(found, key=lambda record: (record.name, record.id))


def _records(db: Database, marks: str, models: Sequence[str]) -> list[ModelRecord]:
    def rows(table: str, order: str) -> Iterable[Row]:
        key = "id" if table == "models" else "model"
        return rows_of(db, table, f"{key} in ({marks})" if marks else None, models, order_by=order)

    components = _grouped(rows("components", "params desc, name"))
    declared = _grouped(rows("declared", "place"))
    aliases = _grouped(rows("aliases", "alias"))
    layouts = _grouped(rows("layouts", "id"))
    return [
        ModelRecord(
            id=row["id"],
            name=row["name"],
            family=row["family"],
            depth=row["depth"],
            params=row["params"],
            tensors=row["tensors"],
            format=row["format"],
            architecture=row["architecture"],
            source=row["source"] or "",
            components={c["name"]: c["params"] for c in components.get(row["id"], [])},
            licence=row["licence"],
            declared=tuple(
                Declared(d["parent"], d["relation"], d["source"]) for d in declared.get(row["id"], [])
            ),
            aliases=tuple(a["alias"] for a in aliases.get(row["id"], [])),
            added=row["added"],
            layouts=tuple(
                Layout(one["id"], one["name"], one["format"], one["source"] or "", seen(one))
                for one in layouts.get(row["id"], [])
            ),
            content=row["content"],
            weights_seen=seen(row),
        )
        for row in rows("models", "name, id")
    ]  # fmt: skip


def rows_of(
    db: Database, table: str, where: str | None = None, asked: Sequence[Any] = (), order_by: str | None = None
) -> list[Row]:
    """Rows of a table of models or of their parts, each column of the type that it is written with. Raises BadRow."""
    from sqlite_utils.db import NoTable

    try:
        found: list[Row] = list(db.table(table).rows_where(where, asked, order_by=order_by))
    except NoTable as error:
        raise BadRow(str(error)) from error
    for row in found:
        for column, types in _TYPES[table].items():
            if column not in row or type(row[column]) not in types:
                raise BadRow(f"the table {table} has {row.get(column)!r:.40} for a {column}")
        if row.get("depth", "full") not in ("full", "sampled") or row.get("params", 0) < 0:
            raise BadRow(f"the table {table} has a row that no version wrote")
    return found


def seen(row: Row) -> bool | None:
    """Whether the weights of a model, or of a layout of one, were seen here; None where that is unknown."""
    held = row["weights_seen"]
    return None if held is None else bool(held)


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["model"], []).append(row)
    return groups
