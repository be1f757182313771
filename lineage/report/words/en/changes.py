"""Changes that were found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _matrices(count: int) -> str:
    return f"{count} matri{'x' if count == 1 else 'ces'}"


TEXTS: dict[str, Callable[[Any], str]] = {
    "projected-out": lambda fact: f"one direction projected out of {_matrices(fact.matrices)}",
    "low-rank": lambda fact: f"difference of rank {fact.rank} in {_matrices(fact.matrices)}",
    "low-ranks": lambda fact: (
        f"difference of rank {fact.rank} in {_matrices(fact.matrices)} (up to {fact.largest} in {_matrices(fact.of)})"
    ),
    "other-few-bits": lambda _: "few-bit values that are not a plain rounding of the other side's",
    "unchanged-values": lambda fact: (
        f"{fact.share:.0%} of the sampled values of {_matrices(fact.matrices)} that were tuned are unchanged"
    ),
    "equal-matrices": lambda fact: f"{fact.equal} of {_matrices(fact.of)} equal",
    "moved-tokens": lambda _: "token rows are in other places",
}
