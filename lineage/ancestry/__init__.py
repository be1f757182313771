"""Ancestry: from evidence to relations, directions, merges and a place among the known models.

What needs the graph library is loaded when it is used (PEP 562): a single question does not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lineage.ancestry.adapter import compare_adapters
from lineage.ancestry.decomposing import decompose
from lineage.ancestry.layouts import fitting
from lineage.ancestry.pair.comparison import compare
from lineage.ancestry.paired import as_answer
from lineage.ancestry.placing import whois

if TYPE_CHECKING:
    from lineage.ancestry.descending import below
    from lineage.ancestry.descent import METHOD, graph
    from lineage.ancestry.folding import part_of

__all__ = [
    "METHOD",
    "as_answer",
    "below",
    "compare",
    "compare_adapters",
    "decompose",
    "fitting",
    "graph",
    "part_of",
    "whois",
]

_HOMES = {"METHOD": "descent", "below": "descending", "graph": "descent", "part_of": "folding"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lineage.ancestry.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
