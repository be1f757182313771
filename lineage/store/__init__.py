"""Indexes of sketched models: on disk with SQLite, or as a read-only folder of sketches.

Names are loaded when they are used (PEP 562): a sketch is made without waiting for SQLite.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineage.store.catalogue_records import Known, catalogue
    from lineage.store.doctor import Finding, examine
    from lineage.store.excluding import Without
    from lineage.store.folder import SKETCHES, SketchFolder
    from lineage.store.graph_cache import keep_graph, kept_graph
    from lineage.store.protocol import Index, find_model
    from lineage.store.public_addresses import addresses
    from lineage.store.rebuilding import Rebuilt, rebuild
    from lineage.store.reference import reference_index
    from lineage.store.shipped_tokenizers import reference_tokenizers
    from lineage.store.sqlite import SqliteIndex, only_one

__all__ = [
    "SKETCHES", "Finding", "Index", "Known", "Rebuilt", "SketchFolder", "SqliteIndex", "Without",
    "addresses", "catalogue", "examine", "find_model", "keep_graph", "kept_graph", "only_one", "rebuild",
    "reference_index", "reference_tokenizers",
]  # fmt: skip

_HOMES = {
    "Finding": "doctor", "Index": "protocol", "Known": "catalogue_records", "Rebuilt": "rebuilding",
    "SketchFolder": "folder",
    "SKETCHES": "folder", "SqliteIndex": "sqlite", "Without": "excluding",
    "addresses": "public_addresses", "catalogue": "catalogue_records", "examine": "doctor",
    "find_model": "protocol", "keep_graph": "graph_cache", "kept_graph": "graph_cache", "only_one": "sqlite",
    "rebuild": "rebuilding", "reference_index": "reference",
    "reference_tokenizers": "shipped_tokenizers",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lineage.store.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
