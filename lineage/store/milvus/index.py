"""The index on a server: for more models than one machine should hold, and for many machines that ask.

A model is in the index once its row is in `models`. Its sketch file, codes and digests are written before that row: a
writer that is killed leaves each model unchanged or complete. Whatever else it leaves belongs to no row and is ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineage.errors import CheckpointError, Gone, Malformed, StoreError, Unknown
from lineage.sketch import FAMILY, tokenizer_of_sketch
from lineage.sketch.layouts import content_key, layout_id, same_weights
from lineage.sketch.search_codes import BITS, likeness, nearest_stranger
from lineage.store.bad_rows import BadRow
from lineage.store.kept_sketches import kept_sketches
from lineage.store.milvus.adding import Adding, file_of
from lineage.store.milvus.address import MilvusAddress
from lineage.store.milvus.rows import Entry, entry_of, name_key, tokenizers_in
from lineage.store.milvus.server import MOST_HITS, Hit, Row, Server, is_, listed
from lineage.store.milvus.sketches import SketchStore
from lineage.store.protocol import OfAllFamilies, find_model, set_id
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
from lineage.types.facts.handed_over import Figure

_A_MODEL = 4  # codes that one model may have among the nearest
_RECORD = ("seal", "tokenizer", "record")
_PREFIX, _DIGEST = re.compile(r"[0-9a-f]{1,64}"), re.compile(r"[0-9a-f]{8,64}")
_OURS = is_("family", FAMILY)


class MilvusIndex(OfAllFamilies):
    """An index at an address; also a context manager that closes it.

    `open` raises NoIndex where there is none, `create` makes one. All methods raise StoreError or CheckpointError with
    one clear line. It sees what was added before it was opened, and what it adds itself.
    """

    def __init__(self, server: Server, sketches: SketchStore) -> None:
        self.address = server.address
        self.shown = str(server.address)
        self._server = server
        self._sketches = sketches
        self._adding = Adding(server, sketches, self)

    @classmethod
    def open(cls, address: MilvusAddress) -> MilvusIndex:
        """Open the index at an address. Raises NoIndex, StoreError, MissingExtra."""
        sketches, server = SketchStore(address.sketches), Server(address)
        try:
            server.load()
        except BaseException:
            server.close()
            raise
        return cls(server, sketches)

    @classmethod
    def create(cls, address: MilvusAddress) -> MilvusIndex:
        """Open the index at an address, making its collections if needed."""
        server = Server(address)
        try:
            if not server.is_there():
                server.create()
        finally:
            server.close()
        return cls.open(address)

    @classmethod
    def is_at(cls, address: MilvusAddress) -> bool:
        """Whether there is an index at an address. Raises StoreError where no server answers."""
        server = Server(address)
        try:
            return server.is_there()
        finally:
            server.close()

    def __enter__(self) -> MilvusIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and delete the sketches that were fetched."""
        self._sketches.close()
        self._server.close()

    # -- reading

    @property
    def id(self) -> str:
        """Name of the set of the models of this version's sketch family; reads the id of each."""
        return set_id(str(row["id"]) for row in self._server.select("models", _OURS, ()))

    @property
    def state(self) -> None:
        """None: others write to the server, and it does not say when."""
        return None

    def __len__(self) -> int:
        return self._server.count("models", _OURS)

    def count(self, kind: ModelKind) -> int:
        """Number of models of a kind."""
        return self._server.count("models", f"{_OURS} and {is_('kind', kind)}")

    @property
    def unsearched(self) -> int:
        """Number of models of other sketch families, which no search sees."""
        return self._server.count("models", f'family != "{FAMILY}"')

    def models(self) -> list[ModelRecord]:
        """Every model of this version's sketch family, ordered by name and id."""
        return self._records(self._server.select("models", _OURS, _RECORD))

    def records(self, models: Collection[str]) -> list[ModelRecord]:
        """The indexed models of these ids and of this version's sketch family, ordered by name and id."""
        wanted = [model for model in models if _DIGEST.fullmatch(model)]
        return self._records(self._server.select_any("models", "id", wanted, _OURS, _RECORD))

    def _called(self, text: str) -> list[ModelRecord]:
        asked = [f"array_contains(names, {listed([name_key(text)])[1:-1]})"]
        if _PREFIX.fullmatch(text):
            asked = [is_("id", text), *asked, f'id like "{text}%"']
        for where in asked:
            found = find_model(text, self._records(self._server.select("models", where, _RECORD)))
            if found:
                return found
        return []

    def _records(self, rows: Iterable[Row]) -> list[ModelRecord]:
        return sorted((self._entry(row).record for row in rows), key=lambda record: (record.name, record.id))

    def _entry(self, row: Row) -> Entry:
        try:
            return entry_of(row)
        except BadRow as error:
            raise StoreError(f"{self.address}: holds {error}") from None

    def entry(self, model: str) -> Entry | None:
        """What the index knows of the model of that id, of any sketch family."""
        rows = self._server.select("models", is_("id", model), _RECORD) if _DIGEST.fullmatch(model) else []
        return self._entry(rows[0]) if rows else None

    def entries(self, where: str) -> list[Entry]:
        """What the index knows of the models that a filter lets through."""
        return [self._entry(row) for row in self._server.select("models", where, _RECORD)]

    def _require(self, model: str) -> Entry:
        found = self.entry(model)
        if found is None:
            raise Gone(f"{self.address}: no model of id {model[:80]}")
        return found

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of the model of that id."""
        return self.read(self._require(model).record)

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of the model of that id in each of its layouts, ordered by layout."""
        record = self._require(model).record
        further = [replace(self.read(record, one.id), name=record.name) for one in record.layouts]
        found = [self.read(record), *further]
        return sorted(found, key=layout_id) if further else found

    def read(self, record: ModelRecord, layout: str | None = None) -> CheckpointSketch:
        """A sketch under its name in the record.

        Raises Gone where another process removed or replaced it meanwhile, Malformed for a file that is damaged.
        """
        about = record if layout is None else next(one for one in record.layouts if one.id == layout)
        name = file_of(record.id, layout, about.weights_seen)
        where = f"{self._sketches.url}/{name}"
        try:
            sketch = kept_sketches.read(self._sketches.fetch(name))
        except FileNotFoundError:
            now = self.entry(record.id)
            if now is None or now.record != record:
                raise Gone(f"{self.address}: {about.name} was replaced meanwhile") from None
            raise Malformed(where, "is missing: ingest the model again") from None
        except CheckpointError as error:
            raise Malformed(where, error.problem) from None
        except OSError as error:
            raise Malformed(where, f"cannot be read: {error.strerror}") from None
        if sketch.id != record.id:
            raise Malformed(where, "is the sketch of another model: ingest the model again")
        return replace(sketch, name=about.name, path=about.source, weights_seen=about.weights_seen)

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that is a tensor's full or band digest: its (model id, tensor name) pairs, ordered."""
        wanted = {digest for digest in digests if _DIGEST.fullmatch(digest)}
        columns = ("model", "seal", "name", "digest", "band_digest")
        rows = [
            (str(row[column]), row)
            for column in ("digest", "band_digest")
            for row in self._server.select_any("digests", column, wanted, _OURS, columns)
        ]
        seals = self._seals(row["model"] for _, row in rows)
        found: dict[str, set[tuple[str, str]]] = {}
        for digest, row in rows:
            if digest in wanted and seals.get(row["model"]) == row["seal"]:
                found.setdefault(digest, set()).add((row["model"], row["name"]))
        return {digest: sorted(pairs) for digest, pairs in sorted(found.items())}

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, Sequence[Near]]:
        """For each code of the query and each cue, the `k` nearest models of a kind, best first.

        For tensors, only models nearer than the nearest unrelated one is expected to be.
        """
        return {cue: self._nearest(cue, codes, f"{_OURS} and {is_('kind', kind)}", k) for cue, codes in asked.items()}

    def _nearest(self, cue: SearchCue, codes: NDArray[np.uint8], where: str, k: int) -> list[Near]:
        found: list[Near] = [()] * len(codes)
        most = _farthest(len(codes) * self._server.count(cue, where)) if cue == "tensor" and len(codes) else None
        if most is not None and most < 0:
            return found
        open_, limit = list(range(len(codes))), min(MOST_HITS, _A_MODEL * k)
        while open_:
            rows = self._server.search(cue, codes[open_], where, limit, most)
            seals = self._seals(hit.model for row in rows for hit in row)
            named = [_models(cue, row, seals, k, limit) for row in rows]
            for at, (near, _) in zip(open_, named, strict=True):
                found[at] = near
            open_ = [at for at, (_, is_sure) in zip(open_, named, strict=True) if not is_sure]
            limit = min(MOST_HITS, _A_MODEL * limit)
        return found

    def _seals(self, models: Iterable[str]) -> dict[str, str]:
        """The seals of the models of these ids that are in the index."""
        return {
            str(row["id"]): row["seal"] for row in self._server.select_any("models", "id", {*models}, _OURS, ("seal",))
        }

    def tokenizers(self, asked: TokenizerSketch, without: str | None = None) -> list[tuple[str, Neighbours, bool]]:
        """The different tokenizers of the models but `without`, by the first model that has each.

        Each with at how many anchors it keeps the neighbours of the asked one, and whether it has the same tokens.
        """
        first: dict[str, str] = {}
        for row in self._server.select("models", f'{_OURS} and tokenizer != ""', ("tokenizer",)):
            if row["id"] != without:
                first[row["tokenizer"]] = min(row["id"], first.get(row["tokenizer"], row["id"]))
        rows = self._server.select_any("tokenizers", "id", first, 'id != ""', ("content", "anchors"))
        try:
            near = tokenizers_in(rows).near(asked)
        except BadRow as error:
            raise StoreError(f"{self.address}: holds {error}") from None
        return sorted((first[row["id"]], *found) for row, found in zip(rows, near, strict=True) if row["id"] in first)

    def tokenizer(self, model: str) -> TokenizerSketch | None:
        """The tokenizer of the model of that id, under its name; None where its sketch has none or cannot be read."""
        try:
            record = self._require(model).record
            found = tokenizer_of_sketch(self._sketches.fetch(file_of(record.id, None, record.weights_seen)))
        except (CheckpointError, Gone, OSError):
            return None
        return None if found is None else replace(found, name=record.name)

    # -- writing

    def copied(self, sketch: CheckpointSketch) -> str | None:
        """The name of an indexed model that holds the same values in another layout, or None."""
        content = content_key(sketch)
        alike = f" or ({is_('content', content)} and {is_('depth', sketch.depth)})" if content else ""
        rows = self._server.select("models", f"{_OURS} and ({is_('id', sketch.id)}{alike})", _RECORD)
        others = sorted(self._records(rows), key=lambda one: (one.added or "", one.name, one.id))
        own = next((one for one in others if one.id == sketch.id), None)
        is_further = own is not None and self._adding.layout_of(own, sketch) is not None
        return next(
            (
                one.name
                for one in others
                if (is_further if one.id == sketch.id else same_weights(sketch, self.read(one)))
            ),
            None,
        )

    def contradicted(self, sketch: CheckpointSketch) -> tuple[str, Figure] | None:
        """The name of the indexed model that contradicts `sketch` under its id, and the figure by which it does."""
        held = self.entry(sketch.id)
        return None if held is None else self._adding.contradicted(held.record, sketch)

    def add(self, sketch: CheckpointSketch, version: str) -> bool:  # noqa: ARG002 - a folder's tables name who wrote
        """Add a model, another layout of one, or another name or path of an indexed one.

        Returns whether a sketch was written. As `SqliteIndex.add`, except that no run is recorded; repeating it changes
        nothing. Raises Contradicted for a sketch that was handed over and contradicts the indexed one.
        """
        return self._adding.add(sketch)

    def finish_run(self) -> None:
        """Do nothing: each addition is complete by itself."""

    def remove(self, model: str) -> None:
        """Remove the model of that id. Raises Unknown."""
        found = self.entry(model)
        if found is None:
            raise Unknown(f"{self.address}: no model of id {model[:80]}")
        self._adding.take_out(found)


def _farthest(pairs: int) -> int:
    """The largest distance in bits at which a tensor's code is nearer than any unrelated one is expected to be."""
    bits = BITS["tensor"]
    return math.floor(bits / 2.0 - nearest_stranger(pairs) * math.sqrt(bits) / 2.0)


def _models(cue: SearchCue, hits: Sequence[Hit], seals: Mapping[str, str], k: int, limit: int) -> tuple[Near, bool]:
    """The `k` nearest models among hits, and whether they would stay the same with more hits.

    If the server returned as many hits as requested, it may have left out others at the distance of the last one: hits
    of that distance are not counted.
    """
    is_cut = len(hits) >= limit and limit < MOST_HITS
    sure = [hit for hit in hits if hit.distance < hits[-1].distance] if is_cut else hits
    best: dict[str, int] = {}
    for hit in sure:
        if seals.get(hit.model) == hit.seal:
            best.setdefault(hit.model, hit.distance)
    order = sorted(best.items(), key=lambda item: (item[1], item[0]))[:k]
    scores = likeness(cue, np.array([distance for _, distance in order], np.int64)).tolist()
    return [(model, score) for (model, _), score in zip(order, scores, strict=True)], not is_cut or len(order) >= k
