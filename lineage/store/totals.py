"""How many models of each kind an index has, and the name of their set, kept so that nothing has to be counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from lineage.store.bad_rows import BadRow
from lineage.store.protocol import EMPTY, joined, toggled

if TYPE_CHECKING:
    from sqlite_utils import Database

_NAME = re.compile(r"[0-9a-f]{16}")


def count(db: Database, model: str, family: str, kind: str, change: int) -> None:
    """Count a model that comes (`change` 1) or goes (-1); the caller holds the transaction."""
    rows = _rows(db, "select models, name from totals where family = ? and kind = ?", [family, kind])
    number, name = rows[0] if rows else (0, EMPTY)
    db.execute(
        "insert or replace into totals (family, kind, models, name) values (?, ?, ?, ?)",
        [family, kind, number + change, toggled(name, model)],
    )


def counted(db: Database) -> dict[tuple[str, str], tuple[int, str]]:
    """What the totals must be, (number, name of the set) by family and kind, from a look at every model."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for model, family, kind in db.execute("select id, family, kind from models"):
        number, name = found.get((family, kind), (0, EMPTY))
        found[family, kind] = number + 1, toggled(name, model)
    return found


def told(db: Database) -> dict[tuple[str, str], tuple[int, str]]:
    """The totals, without empty ones."""
    rows = db.execute("select family, kind, models, name from totals where models != 0 or name != ?", [EMPTY])
    return {(family, kind): (number, name) for family, kind, number, name in rows}


def recount(db: Database) -> None:
    """Correct every total; the caller holds the transaction."""
    db.execute("delete from totals")
    db.table("totals").insert_all(
        {"family": family, "kind": kind, "models": number, "name": name}
        for (family, kind), (number, name) in counted(db).items()
    )


def set_name(db: Database, family: str) -> str:
    """The name of the set of all models of a sketch family. Raises BadRow."""
    rows = _rows(db, "select models, name from totals where family = ?", [family])
    return reduce(joined, (name for _, name in rows), EMPTY)


def _rows(db: Database, query: str, asked: Sequence[str]) -> list[tuple[int, str]]:
    rows = db.execute(query, asked).fetchall()
    for number, name in rows:
        if type(number) is not int or not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRow(f"the table totals has {number!r:.40} models in a set named {name!r:.40}")
    return rows


def number_of(db: Database, family: str, kind: str | None = None) -> int:
    """Number of models of a sketch family, of one kind or of all."""
    where, asked = ("", [family]) if kind is None else (" and kind = ?", [family, kind])
    query = f"select coalesce(sum(models), 0) from totals where family = ?{where}"  # noqa: S608 - two fixed texts
    return int(db.execute(query, asked).fetchone()[0])


def other_families(db: Database, family: str) -> int:
    """Number of models of all sketch families but one."""
    return int(db.execute("select coalesce(sum(models), 0) from totals where family != ?", [family]).fetchone()[0])
