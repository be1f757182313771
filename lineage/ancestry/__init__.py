"""Ancestry: from evidence to relations, directions, merges and a place among the known models.

`graph` is loaded when it is used (PEP 562): a single question does not wait for the graph library.
"""

from typing import TYPE_CHECKING, Any

from lineage.ancestry.comparison import compare
from lineage.ancestry.decomposing import decompose
from lineage.ancestry.placing import whois

if TYPE_CHECKING:
    from lineage.ancestry.descent import graph

__all__ = ["compare", "decompose", "graph", "whois"]


def __getattr__(name: str) -> Any:
    if name == "graph":
        from lineage.ancestry.descent import graph

        return graph
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
