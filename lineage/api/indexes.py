"""The indexes and their models: which are searched, which model is meant, the upkeep of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import checkpoints, store
from lineage.api.sketching import Watch, sketch
from lineage.errors import Gone, NoIndex, Unknown
from lineage.sketch.layouts import layout_id
from lineage.types import CheckpointSketch, Depth, ModelRecord

if TYPE_CHECKING:
    from lineage.store import Finding, Index, Place, Rebuilt


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the indexes, and whether it is part of the shipped reference or, else, of which layer (its name)."""

    record: ModelRecord
    is_reference: bool
    layer: str | None = None


def default_index() -> Path:
    """The folder of the user's own index."""
    from platformdirs import user_data_path

    return user_data_path("lineage", appauthor=False)


@contextmanager
def indexes(index: str | Path | None, reference: bool) -> Iterator[list[Index]]:
    """The indexes to search: the user's, which must exist if it is named, its layers, then the reference."""
    with ExitStack() as stack:
        searched: list[Index] = []
        place = place_of(index)
        if index is not None or not reference or store.holds_home(place):
            searched.append(stack.enter_context(store.open_home(place)))
            searched += _layers(place)
        shipped = store.reference_index() if reference else None
        if shipped is not None:
            searched.append(shipped)
        if not searched:
            raise NoIndex(f"{place}: holds no index, and this copy has no reference: `lineage ingest` makes one")
        yield searched


def index_id(index: str | Path | None = None, *, reference: bool = True) -> str:
    """The ids of the indexes that are searched: digests over the ids of their models, the user's first.

    An answer has the same ids in its limits, so that its source is known. Raises NoIndex.
    """
    with indexes(index, reference) as searched:
        return "+".join(one.id for one in searched)


def _layers(home: Place) -> list[Index]:
    """The layers (indexes of others) beside the user's own index, by name; an index on a server has none."""
    if not isinstance(home, Path) or not (home / store.LAYERS).is_dir():
        return []
    from lineage.store.layers import layer_index, layers

    return [layer_index(home, one) for one in layers(home)]


def find(
    text: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> CheckpointSketch:
    """The sketch of an address, an existing path, or the indexed model of that id, unique prefix, name or alias."""
    if isinstance(text, CheckpointSketch):
        return text
    if checkpoints.is_remote(text) or Path(text).exists():
        return sketch(text, depth, watch)
    with indexes(index, reference) as searched:
        return store.settled(lambda: _layout_called(str(text), *held(str(text), searched)))


def models(index: str | Path | None = None, *, reference: bool = True) -> list[Listed]:
    """Every model of the user's index, of its layers, then of the reference, each ordered by name."""
    with indexes(index, reference) as searched:
        return [_listed(record, one) for one in searched for record in one.models()]


def show(model: str, index: str | Path | None = None, *, reference: bool = True) -> tuple[Listed, CheckpointSketch]:
    """Record and sketch of the model of that id, unique prefix, name or alias. Raises Unknown."""
    with indexes(index, reference) as searched:
        return store.settled(lambda: _shown(model, searched))


def _shown(model: str, searched: Sequence[Index]) -> tuple[Listed, CheckpointSketch]:
    record, home = held(model, searched)
    return _listed(record, home), _layout_called(model, record, home)


def _listed(record: ModelRecord, home: Index) -> Listed:
    layer = home.layer if isinstance(home, store.SketchFolder) else None
    return Listed(record, isinstance(home, store.SketchFolder) and layer is None, layer)


def _layout_called(text: str, record: ModelRecord, home: Index) -> CheckpointSketch:
    """The layout of that name, or the first layout of the model if none has it."""
    meant = next((one.id for one in record.layouts if text in (one.id, one.name, one.source)), None)
    if meant is None or text == record.name:
        return home.load(record.id)
    found = next((one for one in home.layouts(record.id) if layout_id(one) == meant), None)
    if found is None:
        raise Gone(f"{text}: this layout has since been replaced")
    return found


def remove(model: str, index: str | Path | None = None) -> ModelRecord:
    """Remove a model from the user's index, by id, unique prefix, name or alias. Raises Unknown, NoIndex, Locked."""
    with store.open_home(place_of(index)) as home:
        record = home.find(model)
        home.remove(record.id)
        return record


def doctor(index: str | Path | None = None) -> tuple[int, list[Finding]]:
    """Number of models in the user's index, and what an examination found. Raises NoIndex, Malformed."""
    with store.SqliteIndex.open(folder_of(index)) as home:
        return len(home), store.examine(home)


def rebuild(index: str | Path | None = None) -> Rebuilt:
    """Rebuild the tables and the cache of the user's index from its sketch files. Raises NoIndex, Locked."""
    from lineage import __version__

    return store.rebuild(folder_of(index), __version__)


def held(text: str, searched: Iterable[Index]) -> tuple[ModelRecord, Index]:
    """The one model that `text` means, the user's own index first."""
    for index in searched:
        found = index.called(text)
        if found:
            return store.only_one(text, found, "the index"), index
    hint = checkpoints.hub_hint(text)
    raise Unknown(f"{text!r} is neither a file nor a model of the index: `lineage list` shows the models{hint}")


def place_of(index: str | Path | None) -> Place:
    """The place of the index that is named, or of the default one. Raises StoreError for a malformed address."""
    return default_index() if index is None else store.place_of(index)


def folder_of(index: str | Path | None) -> Path:
    """The folder of the index that is named, or of the default one. Raises StoreError for one on a server."""
    return store.require_folder(place_of(index))
