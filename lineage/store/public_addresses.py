"""Where anyone can read an indexed model: its public address, as far as an index knows one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lineage.checkpoints import is_remote
from lineage.store.protocol import Index
from lineage.types import ModelRecord


def addresses(indexes: Iterable[Index]) -> Mapping[str, str]:
    """The address (`hf:org/name@commit`, `pypi:name==1.0`, `https://host/file`) by model id; the first index prevails.

    A model that was only ever seen at a path has none: the path is its owner's own business.
    """
    found: dict[str, str] = {}
    for index in indexes:
        for record in index.models():
            address = _address(record)
            if address is not None:
                found.setdefault(record.id, address)
    return found


def _address(record: ModelRecord) -> str | None:
    places = (record.source, *record.aliases)
    return next((place for place in places if is_remote(place) or place.startswith("pypi:")), None)
