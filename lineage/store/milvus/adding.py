"""Adding a model to an index on a server, and removing one: what is written in which order.

A model's files are written first, then the rows by which it is found, and last its own row, which makes it part of the
index; what it no longer needs is deleted after that. A writer may stop at any point: nothing has to be rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from lineage.errors import CheckpointError, Contradicted, Gone, Malformed
from lineage.sketch import FAMILY
from lineage.sketch.layouts import layout_id
from lineage.sketch.sealing import contradiction
from lineage.store.held import sketch_path
from lineage.store.milvus.rows import FIRST, Entry, Searched, name_key, new_record, row_of, searched, stored
from lineage.store.milvus.server import OF_MODELS, Server, is_, listed
from lineage.store.milvus.sketches import SketchStore
from lineage.types import CheckpointSketch, Layout, ModelRecord
from lineage.types.facts.handed_over import Figure


class Reading(Protocol):
    """What a writer reads before it writes."""

    def entry(self, model: str) -> Entry | None:
        """The entry of the model of that id, None if it is not in the index."""

    def entries(self, where: str) -> list[Entry]:
        """The entries of the models that pass a filter."""

    def read(self, record: ModelRecord, layout: str | None = None) -> CheckpointSketch:
        """The sketch of a model in its first layout or in another."""


class Adding:
    """Writes to a server and to a store of sketches; `reading` is the index over both."""

    def __init__(self, server: Server, sketches: SketchStore, reading: Reading) -> None:
        self._server = server
        self._sketches = sketches
        self._reading = reading

    def add(self, sketch: CheckpointSketch) -> bool:
        """Add a model, a layout, a name, or a file that was lost. Returns whether a sketch was written."""
        if sketch.params >= 1 << 63:
            raise Malformed(sketch.path or sketch.name, f"claims {sketch.params:.1e} weights: that is not a model")
        held = self._reading.entry(sketch.id)
        if held is None:
            self._insert(sketch)
            return True
        if not sketch.weights_seen and (found := self.contradicted(held.record, sketch)) is not None:
            raise Contradicted(sketch.path or sketch.name, found[1], found[0])
        if sketch.weights_seen and not held.record.weights_seen:
            self._replace_claim(sketch, held)
            return True
        return self._extend(sketch, held)

    def take_out(self, entry: Entry) -> None:
        """Delete a model, its own row first."""
        self._server.delete("models", is_("id", entry.record.id))
        for part in OF_MODELS:
            self._server.delete(part, is_("model", entry.record.id))
        for file in _files(entry.record):
            self._sketches.remove(file)

    def contradicted(self, record: ModelRecord, sketch: CheckpointSketch) -> tuple[str, Figure] | None:
        """The name of the indexed layout that contradicts `sketch`, and the figure by which it does.

        Two sketches that were both made here are not compared; one that cannot be read contradicts nothing.
        """
        for layout, about in _held(record):
            if not (sketch.weights_seen and about.weights_seen):
                with suppress(CheckpointError, Gone):
                    if (figure := contradiction(self._reading.read(record, layout), sketch)) is not None:
                        return about.name, figure
        return None

    def layout_of(self, record: ModelRecord, sketch: CheckpointSketch) -> str | None:
        """The layout under which a sketch is kept; None for the first of its model, even if that is lost or damaged."""
        own = layout_id(sketch)
        if any(one.id == own for one in record.layouts):
            return own
        try:
            return None if layout_id(self._reading.read(record)) == own else own
        except CheckpointError:
            return None

    def _insert(self, sketch: CheckpointSketch) -> None:
        """Add a new model, replacing one of another sketch family that came from the same path."""
        found, record = searched(sketch), new_record(sketch)
        size = self._sketches.write(sketch, file_of(sketch.id, None, sketch.weights_seen))
        self._put(Entry(record, {FIRST: size}, found.seal, found.tokenizer), found)
        if record.source:
            named = f'family != "{FAMILY}" and array_contains(names, {listed([name_key(record.source)])[1:-1]})'
            for other in self._reading.entries(named):
                if other.record.source == record.source and other.record.id != record.id:
                    self.take_out(other)

    def _extend(self, sketch: CheckpointSketch, held: Entry) -> bool:
        record, layout = held.record, self.layout_of(held.record, sketch)
        old = next((about for own, about in _held(record) if own == layout), None)
        is_lacking = old is None or self._is_lacking(sketch, held, layout, old)
        changed, found = replace(held, record=_named(record, sketch)), None
        if is_lacking:
            named = sketch if old is None else replace(sketch, name=old.name)
            size = self._sketches.write(named, file_of(record.id, layout, sketch.weights_seen))
            changed = replace(changed, sizes={**held.sizes, layout or FIRST: size})
            if layout is None:
                found = searched(sketch)
                seen = replace(changed.record, weights_seen=sketch.weights_seen)
                changed = replace(changed, record=seen, seal=found.seal, tokenizer=found.tokenizer)
            else:
                changed = replace(changed, record=_with_layout(changed.record, sketch, layout, old))
        if changed != held:
            self._put(changed, found)
            self._clear(held, changed)
        return is_lacking

    def _is_lacking(self, sketch: CheckpointSketch, held: Entry, layout: str | None, old: ModelRecord | Layout) -> bool:
        """Whether the file of a layout is missing or cut, or was handed over and its weights are seen now."""
        if sketch.weights_seen and not old.weights_seen:
            return True
        size = self._sketches.size(file_of(held.record.id, layout, old.weights_seen))
        return size is None or size != held.sizes.get(layout or FIRST)

    def _replace_claim(self, sketch: CheckpointSketch, held: Entry) -> None:
        """Replace what was handed over by a sketch of weights that are seen now.

        What agrees with it stays: names, and layouts, whose weights are still unseen. The rest is deleted.
        """
        agreeing = self._agreeing_with(sketch, held.record)
        names: tuple[str, ...] = ()
        if agreeing:
            first = (held.record.name, held.record.source) if None in agreeing else ()
            names = (*first, *held.record.aliases)
        record = new_record(sketch)
        layouts = {layout_id(one): one for one in agreeing.values()}
        layouts.pop(layout_id(sketch), None)
        found = searched(sketch)
        sizes = {FIRST: self._sketches.write(sketch, file_of(sketch.id, None, sketch.weights_seen))}
        for layout, one in layouts.items():
            sizes[layout] = self._sketches.write(one, file_of(sketch.id, layout, False))
            record = _with_layout(record, replace(one, weights_seen=False), layout, None)
        aliases = {name for name in names if name and name not in (record.name, record.source)}
        changed = Entry(replace(record, aliases=tuple(sorted(aliases))), sizes, found.seal, found.tokenizer)
        self._put(changed, found)
        self._clear(held, changed)

    def _agreeing_with(self, sketch: CheckpointSketch, record: ModelRecord) -> dict[str | None, CheckpointSketch]:
        """The indexed layouts that can be of the same weights as `sketch`; those that cannot be read are left out."""
        found = {}
        for layout, _ in _held(record):
            with suppress(CheckpointError):
                known = self._reading.read(record, layout)
                if contradiction(known, sketch) is None:
                    found[layout] = known
        return found

    def _put(self, entry: Entry, found: Searched | None) -> None:
        """Write the rows by which a model is found, if they changed, and then its own."""
        row = row_of(entry)
        for part, rows in {} if found is None else found.rows.items():
            self._server.put(part, rows)
        self._server.put("models", [row])

    def _clear(self, before: Entry, after: Entry) -> None:
        """Delete what a model no longer needs."""
        if before.seal != after.seal:
            for part in OF_MODELS:
                self._server.delete(part, f"{is_('model', before.record.id)} and {is_('seal', before.seal)}")
        for file in _files(before.record) - _files(after.record):
            self._sketches.remove(file)


def _held(record: ModelRecord) -> Iterator[tuple[str | None, ModelRecord | Layout]]:
    """The layouts of a model, the first one first."""
    yield None, record
    for one in record.layouts:
        yield one.id, one


def file_of(model: str, layout: str | None, weights_seen: bool | None) -> str:
    """The name of a sketch file, as in the folder of an index."""
    return sketch_path(model, layout, weights_seen).as_posix()


def _files(record: ModelRecord) -> set[str]:
    return {file_of(record.id, layout, about.weights_seen) for layout, about in _held(record)}


def _named(record: ModelRecord, sketch: CheckpointSketch) -> ModelRecord:
    """The record with the name and path of a sketch added to its aliases."""
    told = {stored(sketch.name), stored(sketch.path)} - {"", record.name, record.source}
    return replace(record, aliases=tuple(sorted({*record.aliases, *told})))


def _with_layout(
    record: ModelRecord, sketch: CheckpointSketch, layout: str, old: ModelRecord | Layout | None
) -> ModelRecord:
    """The record with a further layout, or with a known one whose `weights_seen` is now that of the sketch."""
    one = (
        Layout(layout, stored(sketch.name), stored(sketch.format), stored(sketch.path), sketch.weights_seen)
        if not isinstance(old, Layout)
        else replace(old, weights_seen=sketch.weights_seen)
    )
    others = (other for other in record.layouts if other.id != layout)
    return replace(record, layouts=tuple(sorted((*others, one), key=lambda other: other.id)))
