"""Damage that is well formed: sketches with their sums right, tables with rows of any type, JSON of any shape."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TABLES = b"SQLite format 3\0"
_VALUES: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2, 255, 1 << 31, 1 << 53, 1 << 63, 10**30, 0.5, -1.0, 1e-40, 1e38, 1e300, "", "x", "full",
    "../../etc/passwd", "\x1b[2J", "\ud800", "\u202e", "n" * 20_000, "=1+1", [], {}, [[]], [1, 2], {"id": "x"},
    "0" * 32,
)  # fmt: skip
_FIGURES = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-30, 1e12, 1e15, 3.4e38, -3.4e38, 1e300, np.inf, -np.inf, np.nan)


def changed_structure(content: bytes, random: Random) -> bytes | None:
    """`content` with a part of what it says changed, so that it still reads as what it is; None for other files."""
    with suppress(
        ValueError, KeyError, TypeError, IndexError, struct.error, sqlite3.Error, OverflowError, RecursionError
    ):
        if content.startswith(_TABLES):
            return _in_tables(content, random)
        if content[8:10] == b'{"' and b'"lineage"' in content[:40_000]:
            return _in_sketch(content, random)
        if content[:1] in (b"{", b"["):
            return json.dumps(changed_json(json.loads(content), random)).encode()
    return None


def changed_json(value: Any, random: Random) -> Any:
    """A JSON value with one thing in it changed: put in its place, taken out, given twice, swapped, or nested."""
    if isinstance(value, (dict, list)) and value and random.random() < 0.9:
        key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
        chance = random.random()
        made = value.copy()
        if chance < 0.06:
            del made[key]
        elif chance < 0.12 and isinstance(made, list):
            made += [made[key]] * random.choice((1, 2, 50))
        elif chance < 0.18:
            other = random.choice(list(made) if isinstance(made, dict) else range(len(made)))
            made[key], made[other] = made[other], made[key]
        elif chance < 0.2 and isinstance(made, dict):
            made[random.choice(("x", "id", "seal", ""))] = made[key]
        else:
            made[key] = changed_json(value[key], random)
        return made
    if isinstance(value, (int, float)) and not isinstance(value, bool) and random.random() < 0.5:
        return random.choice((value + 1, value - 1, -value, value * 2, value / 2, value * 10**9))
    nested: Any = value
    if random.random() < 0.05:
        for _ in range(random.choice((1, 50, 3000))):
            nested = [nested]
        return nested
    return random.choice(_VALUES)


def _in_sketch(content: bytes, random: Random) -> bytes:
    """A sketch whose header or arrays were changed, with the checksum that belongs to it."""
    from blake3 import blake3
    from safetensors.numpy import load, save

    from lineage.sketch.arrays import ARRAYS

    (length,) = struct.unpack("<Q", content[:8])
    text = json.loads(content[8 : 8 + length])["__metadata__"]["lineage"]
    arrays = {name: array.copy() for name, array in load(content).items()}
    if random.random() < 0.6:
        text = json.dumps(changed_json(json.loads(text), random))
    else:
        name = random.choice(sorted(arrays))
        arrays[name] = _changed_array(arrays[name], random)
    if random.random() < 0.9:
        hasher = blake3(text.encode("utf-8", "surrogatepass"))
        for name in ARRAYS:
            hasher.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
        arrays["checksum"] = np.frombuffer(hasher.digest(), np.uint8)
    return save(arrays, metadata={"lineage": text})


def _changed_array(array: NDArray[Any], random: Random) -> NDArray[Any]:
    if array.size == 0 or random.random() < 0.1:
        return np.concatenate([array, np.zeros((1, *array.shape[1:]), array.dtype)])
    if random.random() < 0.1:
        return array[:-1]
    flat = array.reshape(-1)
    for _ in range(random.choice((1, 1, 3, 100))):
        place = random.randrange(array.size)
        with np.errstate(all="ignore"):
            if array.dtype.kind == "f":
                flat[place] = random.choice((*_FIGURES, float(flat[place]) * random.choice((-1, 2, 1e6, 1e-6))))
            else:
                flat[place] = np.array(random.randrange(1 << 63), np.int64).astype(array.dtype)
    return array


def _in_tables(content: bytes, random: Random) -> bytes:
    """A database with a row, a table or an index changed."""
    plain = content[:18] + b"\1\1" + content[20:]  # as one without a log, so that it can be written in memory
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(plain)
        db.execute("PRAGMA foreign_keys=OFF")
        for _ in range(random.choice((1, 1, 2, 4))):
            with suppress(sqlite3.Error):
                random.choice(_CHANGES)(db, random)
        return bytes(db.serialize())


def _table(db: sqlite3.Connection, random: Random) -> str:
    return str(random.choice([name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]))


def _column(db: sqlite3.Connection, table: str, random: Random) -> str:
    return str(random.choice([row[1] for row in db.execute(f"PRAGMA table_info('{table}')")]))


def _cell(db: sqlite3.Connection, random: Random) -> None:
    table = _table(db, random)
    value = random.choice([one for one in _VALUES if not isinstance(one, (list, dict))] + [b"\0\xff", b""])
    place = random.choice(("1", "rowid = 1", "rowid % 2 = 0"))
    db.execute(f"UPDATE '{table}' SET \"{_column(db, table, random)}\" = ? WHERE {place}", [value])  # noqa: S608


def _swapped(db: sqlite3.Connection, random: Random) -> None:
    table = _table(db, random)
    column, other = (_column(db, table, random) for _ in range(2))
    db.execute(f'UPDATE \'{table}\' SET "{column}" = "{other}", "{other}" = "{column}"')  # noqa: S608


def _deleted(db: sqlite3.Connection, random: Random) -> None:
    db.execute(f"DELETE FROM '{_table(db, random)}' WHERE rowid % {random.choice((1, 2, 3))} = 0")  # noqa: S608


def _doubled(db: sqlite3.Connection, random: Random) -> None:
    table = _table(db, random)
    db.execute(f"INSERT OR IGNORE INTO '{table}' SELECT * FROM '{table}'")  # noqa: S608


def _dropped(db: sqlite3.Connection, random: Random) -> None:
    table = _table(db, random)
    db.execute(f"DROP TABLE '{table}'")
    if random.random() < 0.5:
        db.execute(random.choice((f"CREATE TABLE '{table}' (id, name)", f"CREATE VIEW '{table}' AS SELECT 1 AS id")))


def _lost_column(db: sqlite3.Connection, random: Random) -> None:
    table = _table(db, random)
    db.execute(f"ALTER TABLE '{table}' DROP COLUMN \"{_column(db, table, random)}\"")


def _lost_index(db: sqlite3.Connection, random: Random) -> None:
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")]
    db.execute(f"DROP INDEX '{random.choice(names)}'")


_CHANGES: tuple[Callable[[sqlite3.Connection, Random], None], ...] = (
    _cell, _cell, _cell, _cell, _swapped, _deleted, _doubled, _dropped, _lost_column, _lost_index,
)  # fmt: skip
