"""What an answer knows only from sketches that were handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FIGURES: Mapping[str, str] = {
    "values": "values under the same digests",
    "units": "units",
    "sums": "sums of powers",
    "statistics": "statistics",
    "row-codes": "row codes",
    "neurons": "neurons",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "own-weights-unseen": lambda _: "weights not seen here: this sketch was handed over, on its sender's word",
    "weights-unseen": lambda fact: (
        f"weights not seen here: {', '.join(fact.names)} (known by sketches handed over, on their senders' word)"
    ),
    "claim-contradicted": lambda fact: (
        f"contradiction: the sketch {fact.name}, which was handed over under the id of"
        f" {'these weights' if fact.by_weights else 'this one'}, has different {FIGURES[fact.figure]}:"
        f" {'it' if fact.by_weights else 'one of the two'} is forged or damaged; {fact.name} was left out"
    ),
}
