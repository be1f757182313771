"""From a sketch to the rows of the tables, and from rows to a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from lineage.sketch.adapters import kind_of
from lineage.sketch.layouts import content_key
from lineage.store.totals import count
from lineage.types import CheckpointSketch, Declared, Layout, ModelRecord

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = Mapping[str, Any]
PARTS = ("tensors", "components", "declared", "aliases", "layouts")
"""Tables whose rows belong to one row of `models`."""
_BATCH = 500  # SQLite takes at most 999 parameters in old builds


def now() -> str:
    """This second, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def storable(text: str | None) -> str | None:
    """`text` as a database can hold it: lone surrogates, which hostile headers and odd file names have, escaped."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def component_params(sketch: CheckpointSketch) -> dict[str, int]:
    """Number of weights of each component, largest first."""
    counts: Counter[str] = Counter()
    for tensor in sketch.tensors:
        counts[tensor.part.component] += tensor.params
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def tensor_rows(sketch: CheckpointSketch) -> list[dict[str, Any]]:
    """Rows of the table `tensors`, in the order of the sketch."""
    return [
        {
            "model": sketch.id, "place": place, "name": storable(tensor.name),
            "component": storable(tensor.part.component), "digest": storable(tensor.digest),
            "band_digest": storable(tensor.band_digest),
        }
        for place, tensor in enumerate(sketch.tensors)
    ]  # fmt: skip


def insert_model(db: Database, sketch: CheckpointSketch, file_sha256: str, run: int) -> None:
    """Add the rows of one model; the caller holds the transaction."""
    db.table("models").insert(
        {
            "id": sketch.id, "name": storable(sketch.name), "family": sketch.family, "depth": sketch.depth,
            "source": storable(sketch.path), "format": storable(sketch.format),
            "architecture": storable(sketch.architecture), "params": sketch.params, "nbytes": sketch.nbytes,
            "licence": storable(sketch.licence), "added": now(), "file_sha256": file_sha256, "run": run,
            "content": content_key(sketch), "kind": kind_of(sketch), "tensors": len(sketch.tensors),
        }
    )  # fmt: skip
    count(db, sketch.id, sketch.family, kind_of(sketch), 1)
    db.table("tensors").insert_all(tensor_rows(sketch))
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
        }
    )  # fmt: skip


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


def records(db: Database, models: Collection[str] | None = None) -> list[ModelRecord]:
    """The models of these ids that are there, or every model, ordered by name and id."""
    if models is None:
        return _records(db, "", [])
    wanted = sorted(models)
    batches = (wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH))
    found = [one for batch in batches for one in _records(db, ",".join("?" * len(batch)), batch)]
    return sorted(found, key=lambda record: (record.name, record.id))


def _records(db: Database, marks: str, models: Sequence[str]) -> list[ModelRecord]:
    def rows(table: str, order: str) -> Iterable[Row]:
        key = "id" if table == "models" else "model"
        return db.table(table).rows_where(f"{key} in ({marks})" if marks else None, models, order_by=order)

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
            source=row["source"],
            components={c["name"]: c["params"] for c in components.get(row["id"], [])},
            licence=row["licence"],
            declared=tuple(
                Declared(d["parent"], d["relation"], d["source"]) for d in declared.get(row["id"], [])
            ),
            aliases=tuple(a["alias"] for a in aliases.get(row["id"], [])),
            added=row["added"],
            layouts=tuple(
                Layout(one["id"], one["name"], one["format"], one["source"]) for one in layouts.get(row["id"], [])
            ),
            content=row["content"],
        )
        for row in rows("models", "name, id")
    ]  # fmt: skip


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["model"], []).append(row)
    return groups
