"""What the graph knows of an edge, and where a card disagrees with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineage.report.figures import percent


def _declares(fact: Any) -> str:
    return f"{fact.child_name} declares {fact.declared} ({fact.source})"


TEXTS: dict[str, Callable[[Any], str]] = {
    "put-together": lambda _: "this model has components from two models, so that it was put together from them",
    "other-components": lambda _: "these components come from here, the others from another model of the index",
    "inferred-parent": lambda fact: (
        f"{fact.children} models share {fact.shared:.2f} of what they learned beyond the parent above: their own parent"
        " is not in the index, r is estimated from them"
    ),
    "copy-of-unknown": lambda fact: (
        f"{fact.name} holds rounded weights, and no known model gives them when it is rounded"
    ),
    "from-initialisation": lambda _: "the parent is an untrained initialisation",
    "nearer-than-initialisation": lambda _: (
        "the family's initialisation is in the index, and these two are nearer than through it"
    ),
    "merge-residual": lambda fact: f"{fact.method}: {fact.residual:.1%} of the movement is left unexplained",
    "merge-alternatives": lambda fact: f"would fit as well: {', '.join(fact.models)}",
    "named-in": lambda fact: fact.source,
    "shared-factors": lambda _: (
        "both have the same first factors: initialised alike, or one trained on from the other; these look the same"
    ),
    "one-base": lambda _: (
        "both change one base, or related ones: adapters of one base agree without one being made from the other"
    ),
    "adapter-added": lambda fact: (
        f"{fact.base} and {fact.weight:.2f} times the adapter give {percent(fact.predicted)} of the values that moved"
    ),
    "merged-or-extracted": lambda _: "merged, or extracted from the difference: the weights do not tell",
    "declared-unrelated": lambda fact: f"{_declares(fact)}: the weights show no relation",
    "declared-reversed": lambda fact: f"{_declares(fact)}: the weights point the other way",
}
