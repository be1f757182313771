"""Says where model weights come from.

    import lineage

    answer = lineage.whois("./model")            # what does this descend from?
    pair = lineage.compare("./child", "./base")  # are these two related, and how?

The whole surface is `lineage.api`, which also has `sketch` (here that name is the room of the sketch
families). Nothing heavy is imported before the first use of one of these names (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.errors import (
    CheckpointError,
    LineageError,
    Locked,
    Malformed,
    NoIndex,
    NoWeights,
    SketchMismatch,
    StoreError,
    Truncated,
    Unknown,
    Unreachable,
    UnsupportedDtype,
    UnsupportedFormat,
)

if TYPE_CHECKING:
    from lineage import api
    from lineage.api import compare, ingest, whois

__version__ = "0.2.0.dev0"

__all__ = [
    "CheckpointError",
    "LineageError",
    "Locked",
    "Malformed",
    "NoIndex",
    "NoWeights",
    "SketchMismatch",
    "StoreError",
    "Truncated",
    "Unknown",
    "Unreachable",
    "UnsupportedDtype",
    "UnsupportedFormat",
    "__version__",
    "api",
    "compare",
    "ingest",
    "whois",
]

_FROM_API = frozenset({"compare", "ingest", "whois"})


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "api":
        return import_module("lineage.api")
    if name in _FROM_API:
        return getattr(import_module("lineage.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
