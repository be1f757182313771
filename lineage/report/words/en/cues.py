"""Evidence for a direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SIDES: Mapping[str, str] = {"this-model": "this model", "reference": "the reference"}
_OTHERS: Mapping[str, str] = {"this-model": "the reference", "reference": "this model"}
_WAYS: Mapping[str, str] = {
    "rounding": "rounding",
    "pruning": "pruning",
    "quantising": "quantising",
    "projection": "projecting one direction out",
    "folding": "folding its norms into its weights",
}


def _fewer_layers(fact: Any) -> str:
    if fact.shallower == "this-model":
        return f"{fact.layers} of the reference's {fact.of} layers are here and no others"
    return f"{fact.layers} of this model's {fact.of} layers are in the reference and no others"


TEXTS: dict[str, Callable[[Any], str]] = {
    "computable": lambda fact: (
        f"{_SIDES[fact.coarser]} can be computed from {_OTHERS[fact.coarser]} by {_WAYS[fact.by]},"
        " not the other way round"
    ),
    "experts-of-one": lambda _: "experts are made of one MLP, not the other way round",
    "fewer-units": lambda fact: f"the units of {_SIDES[fact.narrower]} are some of those of {_OTHERS[fact.narrower]}",
    "grown-vocabulary": lambda fact: (
        f"token table of {fact.values:,} values against {fact.reference_values:,}: vocabularies grow"
    ),
    "copied-layers": lambda fact: f"{_SIDES[fact.deeper]} holds copies of {_OTHERS[fact.deeper]}'s layers",
    "fewer-layers": _fewer_layers,
    "shrunk-rows": lambda fact: (
        f"rows of unseen tokens are scaled by {fact.factor:.6f} in {_SIDES[fact.side]} (weight decay)"
    ),
    "spread-gains": lambda fact: f"gains spread by {fact.by:.1%} more in {_SIDES[fact.side]}, as after more training",
    "declared-parent": lambda fact: f"declared: {fact.source} names {fact.parent}",
}
