"""What a search looked for, and what it does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_LOOKED_FOR: Mapping[str, str] = {
    "copy": "copying, renaming, resharding, transposing, casting",
    "rounding": "rounding to int8 and int4",
    "pruning": "pruning of single weights",
    "tuning": "fine-tuning and continued pretraining",
    "layers": "added, dropped and reordered layers",
    "vocabulary": "added vocabulary",
    "row-order": "reordered rows of single tensors",
    "component": "reuse of one component",
    "merge": "merges of several parents that are known here",
    "adapter-merge": "merging into a known model on top of another, with any weight",
    "adapter-copy": "copying, renaming and rescaling of adapters",
    "disguise": "layers permuted, rotated or rescaled",
}
_NOT_TESTED: Mapping[str, str] = {
    "merge": "merges of several parents (`lineage decompose` does)",
    "hidden-units": "whole networks permuted or rotated",
    "hidden-elsewhere": (
        "networks permuted or rotated that are neither layers of attention nor a plain row of convolutions or dense"
        " layers, or of which one side was not read whole or has its vocabulary cut or reordered and no tokenizer"
    ),
    "distillation": "distillation and other functional similarity (it leaves no trace in weights)",
    "absent-parent": "a common parent that is not known here (two of its children look like parent and child)",
    "outside-sample": "rows outside the sample, where a model was not read whole (`--depth full` reads all of it)",
    "adapter-direction": (
        "which of two similar adapters was made from the other, and whether one was: a similar start on similar data"
        " leaves the same trace"
    ),
    "dora-merge": "merges of a DoRA adapter, whose magnitudes scale rows of a base that is not here",
}


def _whole_tensors(fact: Any) -> str:
    if fact.tensors == 1:
        return "1 whole tensor of the adapter (modules_to_save), which replaces the base's"
    return f"{fact.tensors} whole tensors of the adapter (modules_to_save), which replace the base's"


TEXTS: dict[str, Callable[[Any], str]] = {
    "looked-for": lambda fact: _LOOKED_FOR[fact.change],
    "not-tested": lambda fact: _NOT_TESTED[fact.what],
    "other-version": lambda fact: (
        f"models of the index that another version sketched: {fact.models:,} (`lineage doctor` lists them)"
    ),
    "unopened-models": lambda fact: f"the shapes of {fact.models:,} models that are large enough",
    "whole-tensors": _whole_tensors,
}
