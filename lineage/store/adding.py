"""Adding a sketch to the tables: the model, a further layout of one, a name, or a file that was lost.

The caller holds the writer's lock. A file is written before its rows, and unlinked after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineage.errors import CheckpointError
from lineage.sketch import FAMILY, write_sketch
from lineage.sketch.layouts import layout_id
from lineage.store.held import Held, held_of, sha256
from lineage.store.rows import (
    delete_model,
    insert_aliases,
    insert_layout,
    insert_model,
    leave_segment,
    new_aliases,
    storable,
)
from lineage.types import CheckpointSketch

if TYPE_CHECKING:
    from lineage.store.sqlite import SqliteIndex


def is_settled(index: SqliteIndex, sketch: CheckpointSketch) -> bool:
    """Whether there is nothing to write: the layout is there, complete, as well seen, under this name and path."""
    held = held_of(index.db, sketch.id)
    if not held or (sketch.weights_seen and held[0].weights_seen is not True):
        return False
    layout = layout_of(index, sketch)
    old = next((one for one in held if one.layout == layout), None)
    return old is not None and not _is_lacking(index, sketch, old) and not new_aliases(index.db, sketch)


def insert(index: SqliteIndex, sketch: CheckpointSketch, run: int) -> None:
    """Add a new model; it replaces a model of another sketch family from the same path."""
    path = index.sketch_file(sketch.id, None, sketch.weights_seen)
    path.parent.mkdir(exist_ok=True)
    written = write_sketch(sketch, path)
    replaced = {model: held_of(index.db, model) for model in _replaced(index, sketch.path)}
    with index.db.atomic():
        for model in replaced:
            delete_model(index.db, model)
        insert_model(index.db, sketch, written, run)
    index.unlink(file for files in replaced.values() for file in files)


def extend(index: SqliteIndex, sketch: CheckpointSketch, held: Sequence[Held]) -> bool:
    """Add a layout, a name or the file of one that was lost; whether a sketch was written."""
    layout = layout_of(index, sketch)
    old = next((one for one in held if one.layout == layout), None)
    is_lacking = old is None or _is_lacking(index, sketch, old)
    path = index.sketch_file(sketch.id, layout, sketch.weights_seen)
    if is_lacking:
        path.parent.mkdir(exist_ok=True)
        written = write_sketch(sketch if old is None else replace(sketch, name=old.name), path)
    with index.db.atomic():
        if old is None and layout is not None:
            insert_layout(index.db, sketch, layout, written)
        elif is_lacking:
            changed = {"file_sha256": written, "weights_seen": sketch.weights_seen}
            if layout is None:
                leave_segment(index.db, sketch.id)  # it may have a tokenizer now
            table, key = ("models", sketch.id) if layout is None else ("layouts", (sketch.id, layout))
            index.db.table(table).update(key, changed)
        insert_aliases(index.db, sketch.id, new_aliases(index.db, sketch))
    if is_lacking and old is not None and old.path(index.folder) != path:
        index.unlink([old])
    return is_lacking


def layout_of(index: SqliteIndex, sketch: CheckpointSketch) -> str | None:
    """The layout under which a sketch is kept, None for the first of its model, be it lost or damaged."""
    held = held_of(index.db, sketch.id)
    if not held:
        return None
    own = layout_id(sketch)
    if own in (one.layout for one in held):
        return own
    try:
        first = index.read(held[0])
    except (CheckpointError, OSError):
        return None
    return None if layout_id(first) == own else own


def _is_lacking(index: SqliteIndex, sketch: CheckpointSketch, old: Held) -> bool:
    """Whether the file of a layout was lost or damaged, or handed over where the weights are seen now."""
    if sketch.weights_seen and old.weights_seen is False:
        return True
    try:
        return sha256(old.path(index.folder)) != old.file_sha256
    except (CheckpointError, OSError):
        return True


def _replaced(index: SqliteIndex, source: str) -> list[str]:
    """Models of other sketch families that were read from `source`."""
    asked = [storable(source) or None, FAMILY]
    return [row["id"] for row in index.db.table("models").rows_where("source = ? and family != ?", asked)]
