"""Ancestry: relations, directions, merges and the place of a model among the known ones, derived from evidence."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.ancestry.adapter import compare_adapters
    from lineage.ancestry.answering import whois
    from lineage.ancestry.decomposing import decompose
    from lineage.ancestry.descending import below
    from lineage.ancestry.descent import METHOD, graph
    from lineage.ancestry.folding import part_of
    from lineage.ancestry.handed_over import of_pair, require_one_content
    from lineage.ancestry.layouts import fitting
    from lineage.ancestry.pair.comparison import compare
    from lineage.ancestry.paired import as_answer
    from lineage.ancestry.trees.kept_comparisons import GaveWay, giving_way

__all__ = [
    "METHOD",
    "GaveWay",
    "as_answer",
    "below",
    "compare",
    "compare_adapters",
    "decompose",
    "fitting",
    "giving_way",
    "graph",
    "of_pair",
    "part_of",
    "require_one_content",
    "whois",
]

__getattr__ = names_of(
    __name__,
    {
        "GaveWay": "trees.kept_comparisons", "giving_way": "trees.kept_comparisons",
        "METHOD": "descent", "as_answer": "paired", "below": "descending", "compare": "pair.comparison",
        "compare_adapters": "adapter", "decompose": "decomposing", "fitting": "layouts", "graph": "descent",
        "of_pair": "handed_over", "part_of": "folding", "require_one_content": "handed_over", "whois": "answering",
    },
)  # fmt: skip
