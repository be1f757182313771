"""Facts on the changes of a model or a component."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from lineage.ancestry.pair.changes import TOKEN_ROLES, Changes
from lineage.ancestry.pair.relations import projected_direction
from lineage.match import Match
from lineage.types.facts import Fact
from lineage.types.facts.changes import (
    EqualMatrices,
    LowRank,
    LowRanks,
    MovedTokens,
    OtherFewBits,
    ProjectedOut,
    UnchangedValues,
)

_SPARSE = 0.05  # share of equal values that training every weight does not leave


def findings(match: Match, changes: Changes, names: Collection[str]) -> tuple[Fact, ...]:
    """Facts on the matrices of the components `names`: rank of differences, unchanged values, moved tokens."""
    return tuple(_found(match, [(m, c) for m, c in changes if m.component in names and len(m.shape) > 1]))


def _found(match: Match, mine: Changes) -> Iterator[Fact]:
    ranks = Counter(c.rank for _, c in mine if c.rank is not None)
    if ranks and projected_direction(match, mine) is not None:
        yield ProjectedOut(ranks[1])
    elif ranks:
        rank, count = ranks.most_common(1)[0]
        yield LowRank(rank, count) if len(ranks) == 1 else LowRanks(rank, count, max(ranks), ranks.total())
    rounded = [c for _, c in mine if c.kind == "quantized"]
    if rounded and all(c.direction is None for c in rounded):
        yield OtherFewBits()
    inner = [(match.mine[m.a].params, c.unchanged) for m, c in mine if c.kind == "tuned"]
    total = sum(size for size, _ in inner)
    still = sum(size * share for size, share in inner) / total if total else 0.0
    if still > _SPARSE:
        yield UnchangedValues(still, len(inner))
    equal = sum(c.kind in ("same", "recast") for _, c in mine)
    if inner and equal:
        yield EqualMatrices(equal, len(mine))
    if any(c.kind == "reordered" and m.role in TOKEN_ROLES and not m.transposed for m, c in mine):
        yield MovedTokens()
