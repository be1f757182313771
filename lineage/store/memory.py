"""An index in memory, for models that are queried and not stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from lineage.errors import Unknown
from lineage.sketch.layouts import layout_id
from lineage.store.overview import FromOverview, Overview, overview_of, record_of
from lineage.store.protocol import set_id
from lineage.types import CheckpointSketch


class MemoryIndex(FromOverview):
    """The index over sketches in memory; further sketches of one id are other layouts of the first."""

    def __init__(self, sketches: Iterable[CheckpointSketch]) -> None:
        self._layouts: dict[str, dict[str, CheckpointSketch]] = {}
        for sketch in sketches:
            self._layouts.setdefault(sketch.id, {}).setdefault(layout_id(sketch), sketch)

    @property
    def id(self) -> str:
        """Digest over the sketch family and the model ids."""
        return set_id(self._layouts)

    @property
    def state(self) -> None:
        """None: it is asked once."""
        return None

    def __len__(self) -> int:
        return len(self._layouts)

    @property
    def unsearched(self) -> int:
        """None: what is here was sketched by this version."""
        return 0

    def load(self, model: str) -> CheckpointSketch:
        """The sketch of the model of that id, in the layout that came first."""
        if model not in self._layouts:
            raise Unknown(f"no model of id {model} is in memory")
        return next(iter(self._layouts[model].values()))

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of the model of that id in each of its layouts, ordered by layout."""
        first = self.load(model)
        named = {
            layout: replace(one, name=first.name, licence=first.licence, declared=first.declared)
            for layout, one in self._layouts[model].items()
        }
        return [named[layout] for layout in sorted(named)]

    @cached_property
    def _overview(self) -> Overview:
        first = {model: self.load(model) for model in self._layouts}
        others = {model: list(layouts.items())[1:] for model, layouts in self._layouts.items()}
        return overview_of((record_of(one, others[model]) for model, one in first.items()), first)
