"""Matching: which tensors of two models correspond, and how significant their agreement is."""

from typing import TYPE_CHECKING

from lineage.on_first_use import names_of

if TYPE_CHECKING:
    from lineage.match.blocks import EXPERT, expert_of, has_experts
    from lineage.match.cache import by_name
    from lineage.match.evidence import Match, match
    from lineage.match.experts import expert_map
    from lineage.match.pairing import LOG10_ALPHA, Pair
    from lineage.match.unread import read_by_both

__all__ = [
    "EXPERT",
    "LOG10_ALPHA",
    "Match",
    "Pair",
    "by_name",
    "expert_map",
    "expert_of",
    "has_experts",
    "match",
    "read_by_both",
]

__getattr__ = names_of(
    __name__,
    {
        "EXPERT": "blocks", "LOG10_ALPHA": "pairing", "Match": "evidence", "Pair": "pairing", "by_name": "cache",
        "expert_map": "experts", "expert_of": "blocks", "has_experts": "blocks", "match": "evidence",
        "read_by_both": "unread",
    },
)  # fmt: skip
