"""The index on disk: tables in SQLite, sketch files, search vectors in a cache.

A model has one sketch file for each layout in which it was seen: `ID.sketch` is the first, `ID.LAYOUT.sketch` another.
Sketches that were handed over lie in a folder of their own, until the weights come and take their place.
A model is added in an order that a kill cannot break: first its sketch file, complete under its final
name, then all of its rows in one transaction. A file without rows is harmless; rows without a file
never happen.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlite_utils import Database

from lineage.errors import CheckpointError, Gone, LineageError, Malformed, NoIndex, StoreError, Unknown
from lineage.sketch import FAMILY, tokenizer_of_sketch
from lineage.sketch.layouts import content_key, layout_id, same_weights
from lineage.store.adding import extend, insert, is_settled, layout_of
from lineage.store.claims import agreeing_with, contradicted, refuse_contradiction, replace_claim, vouch
from lineage.store.database import open_database, plain_errors, require_files
from lineage.store.files import (
    CACHE,
    COMPARISONS,
    DATABASE,
    HANDED_OVER,
    LAYERS,
    SKETCHES,
    VECTORS,
    holds_index,
    take_away,
)
from lineage.store.graph_cache import FOLDER as GRAPHS
from lineage.store.held import Held, held_of, sketch_path
from lineage.store.kept_sketches import kept_sketches
from lineage.store.lock import HOLDER, LOCK, PATIENCE_S, writing
from lineage.store.protocol import OfAllFamilies, find_model
from lineage.store.rows import begin_run, delete_model, now, records, storable
from lineage.store.schema import is_current, upgrade
from lineage.store.searching import Searching
from lineage.store.totals import number_of, other_families, set_name
from lineage.types import (
    CheckpointSketch,
    Codes,
    ModelKind,
    ModelRecord,
    Near,
    Neighbours,
    SearchCue,
    TokenizerSketch,
)

if TYPE_CHECKING:
    from lineage.types.facts.handed_over import Figure

_OURS = {SKETCHES, HANDED_OVER, VECTORS, GRAPHS, COMPARISONS, LAYERS, LOCK, HOLDER, CACHE}
_ID = re.compile(r"[0-9a-f]{8,64}")
_BATCH = 500  # SQLite takes at most 999 parameters in old builds
_MOST_NOTED = 2048  # models whose search codes, ten kilobytes each, wait in memory


class SqliteIndex(OfAllFamilies):
    """An index in a folder; also a context manager that closes it.

    `open` raises NoIndex where there is none, `create` makes one. Reading never waits for a writer.
    All methods raise StoreError, Locked or CheckpointError with one clear line.
    """

    def __init__(self, folder: Path, db: Database) -> None:
        self.folder = folder
        self.shown = str(folder)
        self.db = db
        self._run: int | None = None
        self._searching = Searching(folder, db, self.load)

    @classmethod
    def open(cls, folder: str | Path) -> SqliteIndex:
        """Open the index in `folder`, upgrading tables of an older version."""
        where = Path(folder)
        require_files(where)
        if not holds_index(where):
            raise NoIndex(f"{where}: holds no index: `lineage ingest` makes one")
        with plain_errors(where):
            db = open_database(where)
            try:
                if not _is_current(where, db):
                    with writing(where):
                        upgrade(db)
            except BaseException:
                db.close()
                raise
        return cls(where, db)

    @classmethod
    def create(cls, folder: str | Path) -> SqliteIndex:
        """Open the index in `folder`, making folder and index if needed. A folder of other things is refused."""
        where = Path(folder)
        require_files(where)
        if not holds_index(where):
            with plain_errors(where):
                _refuse_foreign(where)
                (where / SKETCHES).mkdir(parents=True, exist_ok=True)
                with writing(where):
                    db = open_database(where)
                    upgrade(db)
                    db.close()
        return cls.open(where)

    def __enter__(self) -> SqliteIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    # -- reading

    @property
    def id(self) -> str:
        """Name of the set of the models of this version's sketch family."""
        with plain_errors(self.folder):
            return set_name(self.db, FAMILY)

    @property
    def state(self) -> Hashable:
        """Size, time and number of the database's files, which change with whatever is written."""
        files = (self.folder / DATABASE, self.folder / f"{DATABASE}-wal")
        return self.folder.absolute(), self.id, *map(_seal, files)

    def __len__(self) -> int:
        with plain_errors(self.folder):
            return number_of(self.db, FAMILY)

    def count(self, kind: ModelKind) -> int:
        """Number of models of a kind."""
        with plain_errors(self.folder):
            return number_of(self.db, FAMILY, kind)

    @property
    def unsearched(self) -> int:
        """Number of models of other sketch families, which no search sees."""
        with plain_errors(self.folder):
            return other_families(self.db, FAMILY)

    def models(self) -> list[ModelRecord]:
        """Every model of this version's sketch family, ordered by name and id."""
        with plain_errors(self.folder):
            return [record for record in records(self.db) if record.family == FAMILY]

    def records(self, models: Collection[str]) -> list[ModelRecord]:
        """The models of these ids and of this version's sketch family that are there, ordered by name and id."""
        with plain_errors(self.folder):
            return [record for record in records(self.db, models) if record.family == FAMILY]

    def _called(self, text: str) -> list[ModelRecord]:
        """The models of any sketch family that `text` can mean, by the indexes of the tables."""
        asked = (
            "select id from models where id = :text or name = :text"
            " union select model from aliases where alias = :text"
            " union select id from models where :text != '' and id >= :text and id < :text || :end"
        )
        with plain_errors(self.folder):
            ids = {str(one) for (one,) in self.db.execute(asked, {"text": storable(text), "end": chr(0x10FFFF)})}
            return find_model(text, records(self.db, ids))

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of the model of that id."""
        return self.read(self._held_of(model)[0])

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of the model of that id in each of its layouts, ordered by layout."""
        first, *others = self._held_of(model)
        found = [self.read(first), *(replace(self.read(one), name=first.name) for one in others)]
        return sorted(found, key=layout_id) if others else found

    def _held_of(self, model: str) -> list[Held]:
        with plain_errors(self.folder):
            held = held_of(self.db, model)
        if not held:
            raise Gone(f"{self.folder}: no model of id {model}")
        return held

    def read(self, held: Held) -> CheckpointSketch:
        """A sketch under the name in the tables. Raises Gone if another process removed or replaced it meanwhile."""
        path = self.sketch_file(held.model, held.layout, held.weights_seen)
        try:
            sketch = kept_sketches.read(path, name=held.name, path=held.source, weights_seen=held.weights_seen)
        except FileNotFoundError:
            if held not in self._held_of(held.model):
                raise Gone(f"{self.folder}: {held.name} was replaced meanwhile") from None
            raise Malformed(path, "is missing: `lineage doctor` lists what is damaged") from None
        except OSError as error:
            raise Malformed(path, f"cannot be read: {error.strerror}") from None
        if sketch.id != held.model:
            raise Malformed(path, "is the sketch of another model: `lineage doctor` lists what is damaged")
        return sketch

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that is a tensor's full or band digest: its (model id, tensor name) pairs, ordered."""
        wanted = sorted(set(digests))
        found: dict[str, set[tuple[str, str]]] = {}
        with plain_errors(self.folder):
            for start in range(0, len(wanted), _BATCH):
                batch = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                for column in ("digest", "band_digest"):
                    query = (  # by the index of digests: a plain join may go through all tensors of all models
                        f"select t.{column}, t.model, t.name from tensors t cross join models m on m.id = t.model"  # noqa: S608 - two fixed words and marks
                        f" where t.{column} in ({marks}) and m.family = ?"
                    )
                    for digest, model, name in self.db.execute(query, [*batch, FAMILY]):
                        found.setdefault(digest, set()).add((model, name))
        return {digest: sorted(pairs) for digest, pairs in sorted(found.items())}

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, list[Near]]:
        """For each code of the query and each cue, the `k` nearest models of a kind, best first."""
        with plain_errors(self.folder):
            if self._searching.lacks():
                self.settle(0.0)
            return self._searching.nearest(asked, kind, k)

    def tokenizers(self, asked: TokenizerSketch, without: str | None = None) -> list[tuple[str, Neighbours, bool]]:
        """The different tokenizers of the models but `without`, by the first model that has each.

        Each with at how many anchors it keeps the neighbours of the asked one, and whether it has the same tokens.
        """
        with plain_errors(self.folder):
            if self._searching.lacks():
                self.settle(0.0)
            return self._searching.tokenizers(asked, without)

    def tokenizer(self, model: str) -> TokenizerSketch | None:
        """The tokenizer of the model of that id, under its name; None where its sketch has none or cannot be read."""
        try:
            first = self._held_of(model)[0]
            found = tokenizer_of_sketch(self.sketch_file(model, None, first.weights_seen))
        except (CheckpointError, Gone, OSError):
            return None
        return None if found is None else replace(found, name=first.name)

    def settle(self, patience_s: float = PATIENCE_S) -> None:
        """Write what a search needs, so that the next one finds it; where that is impossible, a search takes longer."""
        with suppress(LineageError, OSError, sqlite3.Error), self.writing(patience_s):
            self._searching.settle()

    def sketch_file(self, model: str, layout: str | None = None, weights_seen: bool | None = True) -> Path:
        """Where the sketch of that id lies, in its first layout or in a further one, made here or handed over.

        Raises Malformed for an id that could lead out of the folder.
        """
        for one in (model, layout or model):
            if not _ID.fullmatch(one):
                raise Malformed(self.folder / DATABASE, f"{one[:80]!r} is not a model id: run `lineage rebuild`")
        return self.folder / sketch_path(model, layout, weights_seen)

    def copied(self, sketch: CheckpointSketch) -> str | None:
        """The name of a model that is there and holds the same values in another layout; None if there is none.

        That of an index that an older version wrote is found once `rebuild` has gone over it.
        """
        with plain_errors(self.folder):
            asked = [sketch.id, content_key(sketch), sketch.depth, FAMILY]
            where = "id = ? or (content = ? and depth = ? and family = ?)"
            rows = list(self.db.table("models").rows_where(where, asked, order_by="added, name, id"))
            is_further = layout_of(self, sketch) is not None
        others = (row for row in rows if row["id"] != sketch.id or is_further)
        alike = (one["name"] for one in others if one["id"] == sketch.id or same_weights(sketch, self.load(one["id"])))
        return next(alike, None)

    def contradicted(self, sketch: CheckpointSketch) -> tuple[str, Figure] | None:
        """The name of the model under the id of `sketch`, and the figure in which the two contradict each other."""
        return contradicted(self, sketch)

    @property
    def sketch_folder(self) -> Path:
        """Where the sketch files lie that were made here."""
        return self.folder / SKETCHES

    # -- writing

    def add(self, sketch: CheckpointSketch, version: str) -> bool:
        """Add a model or another layout of one, or note another name or path of what is there.

        Returns whether anything was sketched anew. A sketch file that was lost or damaged is written again. What
        another sketch family has from the same path makes room, and so does what was handed over under the id of
        weights that are seen now. The first addition begins a run, under that version of lineage; without `finish_run`
        it counts as interrupted. Raises Malformed for a sketch that was handed over and contradicts what is there.
        """
        if sketch.params >= 1 << 63:
            raise Malformed(sketch.path or sketch.name, f"claims {sketch.params:.1e} weights: that is not a model")
        with plain_errors(self.folder):
            refuse_contradiction(self, sketch)
            if is_settled(self, sketch):
                return False
        with self.writing():
            refuse_contradiction(self, sketch)
            # Before any sketch file: by it `examine` distinguishes a killed first ingest from lost tables.
            self._run = self._run or begin_run(self.db, version)
            held = held_of(self.db, sketch.id)
            if held and sketch.weights_seen and held[0].weights_seen is None:
                agreeing = agreeing_with(self, sketch, held)
                if held[0] in agreeing:
                    vouch(self, agreeing)
                    held = held_of(self.db, sketch.id)
            if held and not (sketch.weights_seen and held[0].weights_seen is not True):
                self._searching.forget(sketch.id)
                return extend(self, sketch, held)
            if held:
                replace_claim(self, sketch, held, self._run)
                self._forget_caches()
            else:
                insert(self, sketch, self._run)
        self._searching.note(sketch)
        if self._searching.noted >= _MOST_NOTED:
            self.settle()
        return True

    def finish_run(self) -> None:
        """Record that the run of additions, if there was any, came to its end; the first search need not wait."""
        if self._run is not None:
            with self.writing():
                self.db.table("runs").update(self._run, {"finished": now()})
            self._run = None
            self.settle()

    def remove(self, model: str) -> None:
        """Remove the model of that id. Raises Unknown."""
        with self.writing():
            if not self._is_known(model):
                raise Unknown(f"{self.folder}: no model of id {model}")
            held = held_of(self.db, model)
            with self.db.atomic():
                delete_model(self.db, model)
            self.unlink(held)

    def _forget_caches(self) -> None:
        """Delete what was computed from a sketch that has since been replaced under the same id."""
        self._searching = Searching(self.folder, self.db, self.load)
        for cache in (self.folder / GRAPHS).glob("*.json"):
            take_away(cache)

    @contextmanager
    def writing(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """Be the only writer, and clear what a killed one left half written."""
        with plain_errors(self.folder), writing(self.folder, patience_s):
            for scratch in self.leftovers():
                scratch.unlink(missing_ok=True)
            yield

    def leftovers(self) -> list[Path]:
        """Half-written files of a process that was killed, or of one that is writing now."""
        return sorted(path for part in (SKETCHES, HANDED_OVER) for path in (self.folder / part).glob(".*.tmp"))

    def unlink(self, held: Iterable[Held]) -> None:
        """Delete sketch files that no row names any more."""
        for one in held:
            self.sketch_file(one.model, one.layout, one.weights_seen).unlink(missing_ok=True)

    def _is_known(self, model: str) -> bool:
        return self.db.table("models").count_where("id = ?", [model]) > 0


def _is_current(folder: Path, db: Database) -> bool:
    try:
        return is_current(db)
    except StoreError as error:
        raise StoreError(f"{folder}: {error}") from None


def _seal(file: Path) -> tuple[int, int, int] | None:
    """The same for an empty file as for none: each reader makes an empty log of a database at rest."""
    try:
        about = file.stat()
    except OSError:
        return None
    return (about.st_size, about.st_mtime_ns, about.st_ino) if about.st_size else None


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir():
        foreign = sorted(p.name for p in folder.iterdir() if p.name not in _OURS and not p.name.startswith(DATABASE))
        if foreign:
            raise StoreError(f"{folder}: holds {foreign[0]!r} and no index: choose an empty folder with --index")
