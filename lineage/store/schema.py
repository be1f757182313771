"""The tables of `lineage.sqlite`, and how an older index becomes a new one.

Applied migrations are recorded in the table `_sqlite_migrations`; a migration that was released is never edited.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from lineage.errors import StoreError
from lineage.sketch.adapters import kind_of_format
from lineage.store.totals import recount

migrations = Migrations("lineage")


@migrations()
def m001_models(db: Database) -> None:
    """Models with their tensors, components, declared ancestors and aliases, and the runs that added them."""
    db.table("runs").create(
        {"id": int, "started": str, "finished": str, "version": str}, pk="id", not_null={"started", "version"}
    )
    db.table("models").create(
        {
            "id": str, "name": str, "family": str, "depth": str, "source": str, "format": str, "architecture": str,
            "params": int, "nbytes": int, "licence": str, "added": str, "file_sha256": str, "run": int,
        },
        pk="id",
        not_null={"name", "family", "depth", "added", "file_sha256"},
        foreign_keys=[("run", "runs", "id")],
    )  # fmt: skip
    db.table("tensors").create(
        {"model": str, "place": int, "name": str, "component": str, "digest": str, "band_digest": str},
        pk=("model", "place"),
        foreign_keys=[("model", "models", "id")],
    )
    db.table("components").create(
        {"model": str, "name": str, "params": int}, pk=("model", "name"), foreign_keys=[("model", "models", "id")]
    )
    db.table("declared").create(
        {"model": str, "place": int, "parent": str, "relation": str, "source": str},
        pk=("model", "place"),
        foreign_keys=[("model", "models", "id")],
    )
    db.table("aliases").create(
        {"model": str, "alias": str}, pk=("model", "alias"), foreign_keys=[("model", "models", "id")]
    )


@migrations()
def m002_find_by_digest(db: Database) -> None:
    """Finding equal tensors reads an index instead of every row."""
    db.table("tensors").create_index(["digest"])
    db.table("tensors").create_index(["band_digest"])


@migrations()
def m003_layouts(db: Database) -> None:
    """Content is separate from layout: further layouts of a model, and a key of its values in any layout."""
    db.table("layouts").create(
        {"model": str, "id": str, "name": str, "source": str, "format": str, "file_sha256": str, "added": str},
        pk=("model", "id"),
        not_null={"name", "file_sha256", "added"},
        foreign_keys=[("model", "models", "id")],
    )
    db.table("models").add_column("content", str)
    db.table("models").create_index(["content"])


@migrations()
def m004_search(db: Database) -> None:
    """What is searched is found without a look at every model: kinds, segments of search codes, totals."""
    table = db.table("models")
    table.add_column("kind", str)
    table.add_column("tensors", int)
    table.add_column("segment", str)
    db.execute("update models set tensors = (select count(*) from tensors where tensors.model = models.id)")
    db.table("segments").create(
        {"name": str, "family": str, "kind": str, "models": int, "dead": int},
        pk="name",
        not_null={"family", "kind", "models", "dead"},
    )
    db.table("totals").create(
        {"family": str, "kind": str, "models": int, "name": str}, pk=("family", "kind"), not_null={"models", "name"}
    )
    table.create_index(["family", "kind", "segment"])
    table.create_index(["segment"])
    table.create_index(["name"])
    db.table("aliases").create_index(["alias"])
    for (name,) in db.execute("select distinct format from models").fetchall():
        db.execute("update models set kind = ? where format is ?", [kind_of_format(name or ""), name])
    recount(db)


@migrations()
def m005_seen(db: Database) -> None:
    """Sketches made here are distinguished from those handed over; for those added by older versions, null: unknown."""
    for table in ("models", "layouts"):
        db.table(table).add_column("weights_seen", int)


_KNOWN = {one.__name__ for one in (m001_models, m002_find_by_digest, m003_layouts, m004_search, m005_seen)}


def is_current(db: Database) -> bool:
    """Whether the tables are those of this version. Raises StoreError for an index of a newer one."""
    applied = {migration.name for migration in migrations.applied(db)}
    if applied - _KNOWN:
        raise StoreError("the index was written by a newer version of lineage: upgrade lineage, or use another folder")
    return applied == _KNOWN


def missing_parts(db: Database) -> tuple[str, ...]:
    """Tables of a current database that are missing, are not tables, or have wrong columns, keys or indexes."""
    whole = Database(memory=True)
    try:
        upgrade(whole)
        return tuple(
            name for name in _tables(whole) if name not in db.table_names() or _part(db, name) != _part(whole, name)
        )
    finally:
        whole.close()


def _tables(db: Database) -> list[str]:
    return [name for name in db.table_names() if not name.startswith("sqlite_")]


def _part(db: Database, table: str) -> tuple[object, ...]:
    about = db.table(table)
    columns = {(column.name, column.type, column.notnull, column.is_pk) for column in about.columns}
    return columns, {tuple(index.columns) for index in about.indexes if index.origin == "c"}, set(about.foreign_keys)


def upgrade(db: Database) -> None:
    """Bring the tables of an empty or older database to this version, rows kept."""
    migrations.apply(db)
