"""Sketches that were handed over are claims: checked against known ones, and replaced once the weights are seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lineage.errors import CheckpointError, Contradicted, Gone
from lineage.sketch import write_sketch
from lineage.sketch.layouts import layout_id
from lineage.sketch.sealing import contradiction
from lineage.store.database import plain_errors
from lineage.store.held import Held, held_of
from lineage.store.rows import (
    delete_model,
    forget_segment,
    insert_aliases,
    insert_layout,
    insert_model,
    rows_of,
    storable,
)
from lineage.types import CheckpointSketch
from lineage.types.facts.handed_over import Figure

if TYPE_CHECKING:
    from lineage.store.sqlite import SqliteIndex


def contradicted(index: SqliteIndex, sketch: CheckpointSketch) -> tuple[str, Figure] | None:
    """The name of the index's sketch with the id of `sketch`, and the figure that contradicts it.

    None if both can be of the same weights, or if there is no other readable sketch. Two sketches made here from seen
    weights are not compared.
    """
    with plain_errors(index.folder):
        held = held_of(index.db, sketch.id)
    for one in held:
        if not (sketch.weights_seen and one.weights_seen):
            with suppress(CheckpointError, Gone):
                if (figure := contradiction(index.read(one), sketch)) is not None:
                    return one.name, figure
    return None


def refuse_contradiction(index: SqliteIndex, sketch: CheckpointSketch) -> None:
    """Raise Contradicted for a sketch that was handed over and cannot be of the weights that are there under its id."""
    found = None if sketch.weights_seen else contradicted(index, sketch)
    if found is not None:
        name, figure = found
        raise Contradicted(sketch.path or sketch.name, figure, name)


def replace_claim(index: SqliteIndex, sketch: CheckpointSketch, held: Sequence[Held], run: int) -> None:
    """Replace sketches that were handed over by that of weights that are seen now.

    Names, and layouts that agree with the weights (still marked as not seen), are kept. The rest is deleted.
    """
    agreeing = agreeing_with(index, sketch, held)
    if held[0].weights_seen is None:
        with index.db.atomic():  # its file lies where the new one belongs: gone first, so that a kill breaks nothing
            forget_segment(index.db, sketch.id)
            delete_model(index.db, sketch.id)
        index.unlink(held)
        held = ()
    aliases = _names(index, sketch, [one for one in held if one in agreeing])
    layouts = {layout_id(one): replace(one, weights_seen=False) for one in agreeing.values()}
    layouts.pop(layout_id(sketch), None)
    first = write_sketch(sketch, index.sketch_file(sketch.id))
    further = {}
    for layout, one in layouts.items():
        path = index.sketch_file(sketch.id, layout, False)
        path.parent.mkdir(exist_ok=True)
        further[layout] = write_sketch(one, path)
    with index.db.atomic():
        forget_segment(index.db, sketch.id)
        delete_model(index.db, sketch.id)
        insert_model(index.db, sketch, first, run)
        for layout, one in layouts.items():
            insert_layout(index.db, one, layout, further[layout])
        insert_aliases(index.db, sketch.id, aliases)
    kept = {one.path(index.folder) for one in held_of(index.db, sketch.id)}
    index.unlink(one for one in held if one.path(index.folder) not in kept)


def agreeing_with(index: SqliteIndex, sketch: CheckpointSketch, held: Sequence[Held]) -> dict[Held, CheckpointSketch]:
    """Those sketches of one id that can be of the same weights; unreadable ones are skipped."""
    found = {}
    for one in held:
        with suppress(CheckpointError):
            known = index.read(one)
            if contradiction(known, sketch) is None:
                found[one] = known
    return found


def vouch(index: SqliteIndex, held: Iterable[Held]) -> None:
    """Mark sketches of unknown origin as agreeing with the weights."""
    with index.db.atomic():
        for one in held:
            if one.layout is None:
                index.db.table("models").update(one.model, {"weights_seen": True})
            elif one.weights_seen is None:
                index.db.table("layouts").update((one.model, one.layout), {"weights_seen": True})


def _names(index: SqliteIndex, sketch: CheckpointSketch, held: Sequence[Held]) -> list[str]:
    """The earlier names of the model, as aliases; none where no sketch of it stays."""
    if not held:
        return []
    names = [name for one in held if one.layout is None for name in (one.name, one.source)]
    names += [row["alias"] for row in rows_of(index.db, "aliases", "model = ?", [sketch.id])]
    own = (storable(sketch.name), storable(sketch.path))
    return list(dict.fromkeys(name for name in names if name and name not in own))
