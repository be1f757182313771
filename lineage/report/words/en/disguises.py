"""How a disguise was undone, and what was found beneath it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SIDES: Mapping[str, str] = {"this-model": "this model", "reference": "the reference"}
_BASES: Mapping[str, str] = {
    "permuted": "the residual stream with its channels in another order",
    "rotated": "the residual stream rotated",
    "changed": "the residual stream in another basis",
    "channels": "the channels of layers in another order",
}
_BENEATH: Mapping[str, str] = {
    "re-encoded": "the same values but for rounding (re-encoded)",
    "quantized": "quantized",
    "pruned": "pruned",
    "fine-tuned": "fine-tuned",
    "continued-pretraining": "pretraining continued",
    "vocabulary-changed": "vocabulary changed",
    "depth-changed": "layers changed",
    "width-pruned": "width pruned",
    "expert-upcycled": "upcycled to experts",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "same-neurons": lambda fact: (
        f"{fact.paired:.0%} of the neurons held of {fact.layers} layer{'' if fact.layers == 1 else 's'} do the same to"
        f" the inputs, {fact.moved:.0%} of them at another place, though no numbers agree by place"
    ),
    "undone-basis": lambda fact: f"undone: {_BASES[fact.how]}",
    "undone-scales": lambda fact: (
        f"undone: scales moved from matrix to matrix (spread of their logarithm {fact.spread:.2f})"
    ),
    "undone-gains": lambda _: "undone: gains of norms folded into the matrices after them",
    "folded-gains": lambda fact: (
        f"the gains of the norms of {_SIDES[fact.side]} are folded into the matrices after them"
    ),
    "beneath-disguise": lambda fact: f"beneath the disguise: {_BENEATH[fact.relation]}",
}
