"""The search codes of an index on disk: segments that are written once, merged now and then, and listed in a table.

A model is in the segment that its row names, or in none yet. What is in none, or in one that was lost, is made again
from its sketch. A model that was removed stays in its segment, as a dead one, until that is merged; answers leave it
out. A new segment takes in those before it that are not much larger: each code is written again a few times while
an index grows to a million models, and there are never many segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from lineage.sketch.adapters import KINDS
from lineage.sketch.family import FAMILY
from lineage.sketch.search_codes import kept_codes
from lineage.store.anchors import Tokenizers, tokenizers_of
from lineage.store.files import VECTORS, take_away
from lineage.store.nearest import nearest
from lineage.store.rows import rows_of
from lineage.store.segments import SUFFIX, Segment, is_sound, merged, name_of, read_segment, segment_of, write_segment
from lineage.types import CheckpointSketch, Codes, ModelKind, Near, Neighbours, SearchCue, TokenizerSketch

_MOST_MERGED = 1 << 19  # models: a segment of so many takes about two gigabytes of memory while it is written
_LEFT = (".vectors", ".tokenizers", ".tmp")  # of older versions, and of a writer that was killed
_MOST_DEAD = 256  # by which an answer is widened
_BATCH = 500  # SQLite takes at most 999 parameters in old builds
_BEHIND_ALL = "g"  # of hexadecimal digits

_Kept = tuple[Codes, Tokenizers]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table `segments`."""

    name: str
    models: int
    dead: int


class Searching:
    """Search in the index in `folder`, whose database is `db`; `load` gives the sketch of a model by its id."""

    def __init__(self, folder: Path, db: Database, load: Callable[[str], CheckpointSketch]) -> None:
        self._folder = folder / VECTORS
        self._db = db
        self._load = load
        self._read: dict[str, Segment] = {}
        self._damaged: set[str] = set()
        self._made: dict[str, _Kept] = {}  # of models that are in no segment yet
        self._loose: dict[tuple[str, ...], Segment] = {}

    def note(self, sketch: CheckpointSketch) -> None:
        """Keep the codes of a model that was added, so that its sketch is not read back for them."""
        self._made[sketch.id] = kept_codes(sketch), tokenizers_of(sketch.tokenizer)

    def forget(self, model: str) -> None:
        """Read the sketch of a model again for its codes, if they are needed."""
        self._made.pop(model, None)
        self._loose.clear()

    @property
    def noted(self) -> int:
        """Number of models whose codes are kept in memory."""
        return len(self._made)

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, list[Near]]:
        """For each code of the query and each cue, the `k` nearest models of a kind in the index, best first."""
        rows, segments = self._segments(kind)
        spare = min(_MOST_DEAD, sum(row.dead for row in rows))
        found = nearest(segments, asked, k + spare)
        there = self._there(model for rows in found.values() for row in rows for model, _ in row)
        return {cue: [[one for one in row if one[0] in there][:k] for row in rows] for cue, rows in found.items()}

    def tokenizers(self, asked: TokenizerSketch, without: str | None) -> list[tuple[str, Neighbours, bool]]:
        """The different tokenizers of models in the index, that of `without` alone left out, by their first models.

        Each with at how many anchors it keeps the neighbours of the asked one, and whether it has the same tokens.
        """
        found: dict[tuple[bytes, int], tuple[str, Neighbours, bool]] = {}
        for kind in KINDS:
            rows, segments = self._segments(kind)
            homes = [row.name for row in rows if self._segment(row.name) is not None]
            for home, segment in zip_longest(homes, segments):
                held = segment.tokenizers
                first = self._first(segment, home, without)
                for name, model, near in zip(held.names(), first, held.near(asked), strict=True):
                    if model is not None and model < found.get(name, (_BEHIND_ALL,))[0]:
                        found[name] = (model, *near)
                segment.let_go(held.anchors)
        return sorted(found.values(), key=lambda one: one[0])

    def _first(self, segment: Segment, home: str | None, without: str | None) -> list[str | None]:
        """For each kind of tokenizer, the first model that has it and is still in the segment; None without one."""
        first: list[str | None] = [None] * len(segment.tokenizers.kinds)
        open_, seen, step = list(range(len(first))), 0, 1
        while open_:
            asked = {kind: self._ids(segment, segment.tokenizers.of(kind)[seen : seen + step]) for kind in open_}
            homes = self._homes(model for models in asked.values() for model in models)
            for kind, models in asked.items():
                there = (one for one in models if one != without and one in homes and home in (None, homes[one]))
                first[kind] = next(there, None)
            open_ = [kind for kind, models in asked.items() if models and first[kind] is None]
            seen, step = seen + step, 2 * step
        return first

    @staticmethod
    def _ids(segment: Segment, places: NDArray[Any]) -> list[str]:
        names: list[bytes] = segment.models[np.minimum(places, len(segment) - 1)].tolist()
        return [name.decode() for name in names]

    def lacks(self) -> bool:
        """Whether a model is in no segment, or in one that cannot be read."""
        return any(self._pending(kind, self._rows(kind)) for kind in KINDS)

    def settle(self) -> None:
        """Put every model into a segment, merge segments where there are many, and delete files that nobody needs.

        The caller is the only writer. Raises OSError; what was there before is then still valid.
        """
        for kind in KINDS:
            rows = self._rows(kind)
            pending = self._pending(kind, rows)
            if pending or any(2 * row.dead > row.models for row in rows):
                self._settle(kind, rows, pending)
        self._made.clear()
        self._loose.clear()
        known = {str(name) for (name,) in self._db.execute("select name from segments")}
        for path in self._folder.glob("*"):
            if path.name not in known and path.name.endswith((SUFFIX, *_LEFT)):
                with suppress(OSError):  # where it is mapped, some systems keep it until the next time
                    take_away(path)

    def _settle(self, kind: ModelKind, rows: Sequence[_Row], pending: Sequence[str]) -> None:
        segments = [self._loose_segment(pending)] if pending else []
        size, taken = len(pending), list[str]()
        for row in sorted(rows, key=lambda row: row.models - row.dead):
            segment = self._segment(row.name)
            living = row.models - row.dead
            is_small = living <= max(2 * size, 1) and size + living <= _MOST_MERGED
            if segment is not None and (is_small or 2 * row.dead > row.models):
                if not is_sound(self._folder / row.name):  # no damage gets into a sound one
                    self._damaged.add(row.name)
                    self._settle(kind, rows, self._pending(kind, rows))
                    return
                segments.insert(0, segment)
                taken.append(row.name)
                size += living
        lost = [row.name for row in rows if self._segment(row.name) is None]
        whole = merged(segments, self._gone(segments, [*reversed(taken)])) if segments else segment_of({})
        models = [model.decode() for model in whole.models]
        name = name_of(kind, models)
        if models:
            if (self._folder / name).is_dir():
                take_away(self._folder / name)
            write_segment(whole, self._folder / name)
        with self._db.atomic():
            for old in {*taken, *lost} - {name}:
                self._db.execute("update models set segment = ? where segment = ?", [name if models else None, old])
                self._db.execute("delete from segments where name = ?", [old])
            for start in range(0, len(pending), _BATCH):
                batch = pending[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                self._db.execute(f"update models set segment = ? where id in ({marks})", [name, *batch])  # noqa: S608 - marks
            if models:
                self._db.execute(
                    "insert or replace into segments (name, family, kind, models, dead) values (?, ?, ?, ?, 0)",
                    [name, FAMILY, kind, len(models)],
                )
        for old in taken:
            self._read.pop(old, None)

    def _rows(self, kind: ModelKind) -> list[_Row]:
        rows = rows_of(self._db, "segments", "family = ? and kind = ?", [FAMILY, kind], order_by="name")
        return [_Row(row["name"], row["models"], row["dead"]) for row in rows]

    def _segment(self, name: str) -> Segment | None:
        if name in self._damaged:
            return None
        if name not in self._read:
            segment = read_segment(self._folder / name) if name == Path(name).name else None
            if segment is None:
                return None
            self._read[name] = segment
        return self._read[name]

    def _segments(self, kind: ModelKind) -> tuple[Sequence[_Row], Sequence[Segment]]:
        """The rows of a kind and their segments, that of the models in none last.

        Segments that a writer has merged meanwhile are looked up again, so that no model is missed.
        """
        while True:
            rows = self._rows(kind)
            pending = self._pending(kind, rows)
            found = [self._segment(row.name) for row in rows]
            loose = [self._loose_segment(pending)] if pending else []
            if self._rows(kind) == rows:
                return rows, [*(one for one in found if one is not None), *loose]

    def _pending(self, kind: ModelKind, rows: Iterable[_Row]) -> list[str]:
        """Models of a kind that are in no segment that can be read, ordered."""
        asked = "select id from models where family = ? and kind = ? and segment is ? order by id"
        without = [None, *(row.name for row in rows if self._segment(row.name) is None)]
        return [str(model) for name in without for (model,) in self._db.execute(asked, [FAMILY, kind, name])]

    def _loose_segment(self, models: Sequence[str]) -> Segment:
        key = tuple(models)
        if key not in self._loose:
            for model in models:
                if model not in self._made:
                    self.note(self._load(model))
            held = {model: self._made[model] for model in models}
            codes = {model: kept for model, (kept, _) in held.items()}
            self._loose = {key: segment_of(codes, {model: kept for model, (_, kept) in held.items()})}
        return self._loose[key]

    def _gone(self, segments: Sequence[Segment], names: Sequence[str]) -> list[set[str]]:
        """Removed models of each segment; `names` are those of all segments except the last, loose one."""
        ids = [[model.decode() for model in segment.models] for segment in segments]
        homes = self._homes(model for models in ids for model in models)
        return [
            {model for model in models if model not in homes or name not in (None, homes[model])}
            for models, name in zip_longest(ids, names)
        ]

    def _there(self, models: Iterable[str]) -> set[str]:
        return {*self._homes(models)}

    def _homes(self, models: Iterable[str]) -> dict[str, str | None]:
        """Those of the models that are in the index, and the segments that they are in."""
        wanted, found = sorted(set(models)), dict[str, str | None]()
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            asked = f"select id, segment from models where id in ({marks})"  # noqa: S608 - marks
            found |= {str(model): home for model, home in self._db.execute(asked, batch)}
        return found
