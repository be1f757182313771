"""Indexes of sketched models: on disk with SQLite, or as a read-only folder of sketches.

Names are loaded when they are used (PEP 562): a sketch is made without waiting for SQLite.
"""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.store.catalogue_records import Known, catalogue
    from lineage.store.claims import contradicted
    from lineage.store.doctor import Finding, examine
    from lineage.store.excluding import Without
    from lineage.store.files import LAYERS, SKETCHES, holds_index
    from lineage.store.folder import SketchFolder
    from lineage.store.graph_cache import keep_graph, kept_graph
    from lineage.store.memory import MemoryIndex
    from lineage.store.milvus.index import MilvusIndex
    from lineage.store.places import Place, create_home, holds_home, open_home, place_of, require_folder
    from lineage.store.protocol import Home, Index, models_in, only_one, settled
    from lineage.store.public_addresses import addresses
    from lineage.store.rebuilding import Rebuilt, rebuild
    from lineage.store.reference import published_configurations, reference_index, reference_tokenizers
    from lineage.store.sqlite import SqliteIndex

__all__ = [
    "LAYERS", "SKETCHES", "Finding", "Home", "Index", "Known", "MemoryIndex", "MilvusIndex", "Place", "Rebuilt",
    "SketchFolder", "SqliteIndex", "Without", "addresses", "catalogue", "contradicted", "create_home", "examine",
    "holds_home", "holds_index", "keep_graph", "kept_graph", "models_in", "only_one", "open_home", "place_of",
    "published_configurations", "rebuild", "reference_index", "reference_tokenizers", "require_folder", "settled",
]  # fmt: skip

__getattr__ = names_of(
    __name__,
    {
        "Finding": "doctor", "Home": "protocol", "Index": "protocol", "Known": "catalogue_records",
        "MemoryIndex": "memory",
        "MilvusIndex": "milvus.index",
        "Rebuilt": "rebuilding", "LAYERS": "files", "SKETCHES": "files", "SketchFolder": "folder",
        "SqliteIndex": "sqlite", "Place": "places", "create_home": "places", "holds_home": "places",
        "open_home": "places", "place_of": "places", "require_folder": "places",
        "Without": "excluding", "addresses": "public_addresses", "catalogue": "catalogue_records",
        "contradicted": "claims", "examine": "doctor",
        "holds_index": "files", "keep_graph": "graph_cache", "kept_graph": "graph_cache",
        "models_in": "protocol", "only_one": "protocol", "rebuild": "rebuilding", "reference_index": "reference",
        "reference_tokenizers": "reference", "settled": "protocol",
        "published_configurations": "reference",
    },
)  # fmt: skip
