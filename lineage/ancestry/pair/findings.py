"""What was seen to have been done to a model or a component, in words for a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from lineage.ancestry.pair.changes import TOKEN_ROLES
from lineage.ancestry.pair.drift import Changes
from lineage.ancestry.pair.relations import projected_role
from lineage.match import Match

_SPARSE = 0.05  # share of equal values that training every weight does not leave


def findings(match: Match, changes: Changes, names: Collection[str]) -> tuple[str, ...]:
    """Rank of the differences, share of values that did not move, tokens that moved, in some of the components."""
    return tuple(_said(match, [(m, c) for m, c in changes if m.component in names and len(m.shape) > 1]))


def _said(match: Match, mine: Changes) -> Iterator[str]:
    ranks = Counter(c.rank for _, c in mine if c.rank is not None)
    if ranks and projected_role(match, mine) is not None:
        yield f"one direction projected out of {_matrices(ranks[1])}"
    elif ranks:
        rank, count = ranks.most_common(1)[0]
        most = f" (up to {max(ranks)} in {_matrices(ranks.total())})" if len(ranks) > 1 else ""
        yield f"difference of rank {rank} in {_matrices(count)}{most}"
    rounded = [c for _, c in mine if c.kind == "quantized"]
    if rounded and all(c.role is None for c in rounded):
        yield "few-bit values that are no plain rounding of the other side's"
    inner = [(match.mine[m.a].params, c.unchanged) for m, c in mine if c.kind == "tuned"]
    total = sum(size for size, _ in inner)
    still = sum(size * share for size, share in inner) / total if total else 0.0
    if still > _SPARSE:
        yield f"{still:.0%} of the sampled values of {_matrices(len(inner))} that were tuned are unchanged"
    equal = sum(c.kind in ("same", "recast") for _, c in mine)
    if inner and equal:
        yield f"{equal} of {_matrices(len(mine))} equal"
    if any(c.kind == "reordered" and m.role in TOKEN_ROLES and not m.transposed for m, c in mine):
        yield "token rows stand at other places"


def _matrices(count: int) -> str:
    return f"{count} matri{'x' if count == 1 else 'ces'}"
