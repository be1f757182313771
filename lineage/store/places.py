"""Where an index of the user is, a folder or an address, and what opens it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lineage.errors import StoreError
from lineage.store import files

if TYPE_CHECKING:
    from lineage.store.milvus.address import MilvusAddress
    from lineage.store.protocol import Home

Place: TypeAlias = "Path | MilvusAddress"


def place_of(index: str | Path) -> Place:
    """The place of that name; a text that begins with `milvus:` is an address. Raises StoreError for a bad one."""
    if isinstance(index, Path) or not index.startswith("milvus:"):
        return Path(index)
    from lineage.store.milvus.address import milvus_address

    return milvus_address(index)


def require_folder(place: Place) -> Path:
    """The folder, for what only an index in a folder supports. Raises StoreError for an address."""
    if not isinstance(place, Path):
        raise StoreError(f"{place}: is not a folder: this works on an index in a folder only")
    return place


def holds_home(place: Place) -> bool:
    """Whether an index of the user is there. Raises StoreError where a server does not answer."""
    if not isinstance(place, Path):
        from lineage.store.milvus.index import MilvusIndex

        return MilvusIndex.is_at(place)
    return files.holds_index(place)


def open_home(place: Place) -> Home:
    """Open the index that is there. Raises NoIndex, StoreError, MissingExtra."""
    if not isinstance(place, Path):
        from lineage.store.milvus.index import MilvusIndex

        return MilvusIndex.open(place)
    from lineage.store.sqlite import SqliteIndex

    return SqliteIndex.open(place)


def create_home(place: Place) -> Home:
    """Open the index that is there, making it if needed. Raises StoreError, MissingExtra."""
    if not isinstance(place, Path):
        from lineage.store.milvus.index import MilvusIndex

        return MilvusIndex.create(place)
    from lineage.store.sqlite import SqliteIndex

    return SqliteIndex.create(place)
