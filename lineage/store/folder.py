"""A folder of sketches with catalogue records: read-only, nothing to set up; the reference index is one."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lineage.errors import Malformed, Unknown
from lineage.sketch.layouts import layout_id
from lineage.store.files import CATALOGUE, SKETCHES
from lineage.store.kept_sketches import kept_sketches
from lineage.store.overview import (
    FromOverview,
    Overview,
    cache_file,
    keep_overview,
    kept_overview,
    overview_of,
    record_of,
    seal_of,
)
from lineage.store.protocol import set_id
from lineage.types import CheckpointSketch, Declared, ModelRecord


@dataclass(frozen=True, slots=True)
class _Entry:
    """One catalogue record, as far as an index needs it."""

    name: str
    source: str
    licence: str | None
    declared: tuple[Declared, ...]
    aliases: tuple[str, ...]


class SketchFolder(FromOverview):
    """The index over `folder/sketches/ID.sketch`, with what `folder/catalogue/*.json` says about each.

    A sketch without a record has its own name; a record without a sketch is not searched.
    What a search needs of all of them is worked out once and kept in the folder `cache`, if there is one; a sketch is
    read when it is asked for. `layer` is its name if it is a layer. Raises CheckpointError for damaged
    files.
    """

    def __init__(self, folder: str | Path, cache: Path | None = None, layer: str | None = None) -> None:
        self.folder = Path(folder)
        self.layer = layer
        self._cache = cache
        self._read_already: dict[str, CheckpointSketch] = {}

    @property
    def id(self) -> str:
        """Digest over the sketch family and the model ids."""
        return set_id(self._files)

    @property
    def state(self) -> Hashable:
        """Names, sizes and times of its files."""
        return self.folder, self._seal

    def __len__(self) -> int:
        return len(self._files)

    @property
    def unsearched(self) -> int:
        """None: a sketch of another family is refused."""
        return 0

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of the model of that id."""
        if model not in self._files:
            raise Unknown(f"{self.folder}: no model of id {model}")
        if model not in self._read_already:
            self._read_already[model] = self._read(model, self._files[model])
        return self._read_already[model]

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of the model of that id in each of its layouts, ordered by layout."""
        first = self.load(model)
        named = (
            replace(one, name=first.name, licence=first.licence, declared=first.declared)
            for one in self._further.get(model, ())
        )
        return sorted([first, *named], key=layout_id) if model in self._further else [first]

    @cached_property
    def _overview(self) -> Overview:
        place = None if self._cache is None else cache_file(self._cache, self._seal)
        kept = None if place is None else kept_overview(place)
        if kept is not None:
            return kept
        sketches = {model: self.load(model) for model in self._files}
        made = overview_of(map(self._record, sketches.values()), sketches)
        if place is not None:
            keep_overview(place, made)
        return made

    @cached_property
    def _seal(self) -> str:
        sources = [path for part in (f"{SKETCHES}/*.sketch", f"{CATALOGUE}/*.json") for path in self.folder.glob(part)]
        return seal_of(sorted(sources))

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted((self.folder / SKETCHES).glob("*.sketch")) if "." not in path.stem}

    @cached_property
    def _further(self) -> dict[str, list[CheckpointSketch]]:
        """Layouts beside the first, `ID.LAYOUT.sketch`."""
        found: dict[str, list[CheckpointSketch]] = {}
        for path in sorted((self.folder / SKETCHES).glob("*.*.sketch")):
            model, _, layout = path.stem.partition(".")
            sketch = kept_sketches.read(path, path=str(path), weights_seen=self.layer is None)
            if (sketch.id, layout_id(sketch)) != (model, layout):
                raise Malformed(
                    path, f"is the sketch of {sketch.id} in layout {layout_id(sketch)}: its name must be that"
                )
            found.setdefault(model, []).append(sketch)
        return found

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        return dict(_entry(path) for path in sorted((self.folder / CATALOGUE).glob("*.json")))

    def _read(self, model: str, path: Path) -> CheckpointSketch:
        seen, entry = self.layer is None, self._entries.get(model)  # of the reference, by its makers
        if entry is None:
            sketch = kept_sketches.read(path, path=str(path), weights_seen=seen)
        else:
            said = {"name": entry.name, "path": entry.source, "licence": entry.licence, "declared": entry.declared}
            sketch = kept_sketches.read(path, **said, weights_seen=seen)
        if sketch.id != model:
            raise Malformed(path, f"is the sketch of {sketch.id}: its name must be its id")
        return sketch

    def _record(self, sketch: CheckpointSketch) -> ModelRecord:
        entry = self._entries.get(sketch.id)
        further = [(layout_id(one), one) for one in self._further.get(sketch.id, ())]
        return record_of(sketch, further, entry.aliases if entry else ())


def _entry(path: Path) -> tuple[str, _Entry]:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return str(fields["id"]), _Entry(
            str(fields["name"]),
            str(fields["source"]),
            fields["licence"],
            tuple(Declared(str(d["model"]), d["relation"], str(d["source"])) for d in fields["declared"]),
            tuple(str(alias) for alias in fields.get("aliases", [])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(path, f"is not a catalogue record ({error}): see index/FORMAT.md") from error
