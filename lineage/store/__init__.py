"""Indexes of sketched models: on disk with SQLite, or as a read-only folder of sketches."""

from lineage.store.doctor import Finding, examine
from lineage.store.folder import SketchFolder
from lineage.store.protocol import Index, find_model
from lineage.store.rebuild import Rebuilt, rebuild
from lineage.store.reference import reference_index
from lineage.store.sqlite import SqliteIndex, only_one

__all__ = [
    "Finding", "Index", "Rebuilt", "SketchFolder", "SqliteIndex",
    "examine", "find_model", "only_one", "rebuild", "reference_index",
]  # fmt: skip
