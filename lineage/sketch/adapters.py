"""Sketches of adapters, distinguished from those of models: they hold changes of weights, not weights."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import get_args

from lineage.errors import SketchMismatch
from lineage.types import Checkpoint, CheckpointSketch, ModelKind, ModelRecord, TensorSketch

KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
_FORMAT = re.compile(r"peft-.+|.+-(?:lora|loha|lokr)")  # of an adapter, see lineage.checkpoints.adapters
_LARGE = 1 << 29  # weights, which take about ten seconds
_PRODUCT = re.compile(r"(?:lora|dora|loha|lokr)-r([1-9]\d{0,5})(-turned)?")


def is_adapter(one: CheckpointSketch | ModelRecord) -> bool:
    """Whether this is an adapter alone."""
    return kind_of(one) == "adapter"


def kind_of(one: CheckpointSketch | ModelRecord) -> ModelKind:
    """The kind of models among which it is searched: models or adapters."""
    return kind_of_format(one.format)


def kind_of_format(name: str) -> ModelKind:
    """The kind of the contents of a format of that name."""
    return "adapter" if _FORMAT.fullmatch(name) else "model"


def is_large(checkpoint: Checkpoint) -> bool:
    """Whether an adapter changes so many weights that reading its products is slow, however small its file is."""
    is_one = _FORMAT.fullmatch(checkpoint.format) is not None
    return is_one and sum(prod(view.shape) for view in checkpoint.tensors) > _LARGE


def is_change(encoding: str | None) -> bool:
    """Whether this is the encoding of an adapter's product, which is not a weight."""
    return encoding is not None and _PRODUCT.fullmatch(encoding) is not None


def rank_of(tensor: TensorSketch) -> int | None:
    """Rank of an adapter's tensor as a product, None for a whole tensor that replaces the base's."""
    found = _PRODUCT.fullmatch(tensor.dtype)
    return int(found[1]) if found else None


def is_turned(tensor: TensorSketch) -> bool:
    """Whether the randomly initialised factor spans the columns of a product, not its rows."""
    found = _PRODUCT.fullmatch(tensor.dtype)
    return found is not None and found[2] is not None


def has_first_factor(tensor: TensorSketch) -> bool:
    """Whether a change is one product, so that its rows span no more than its first factor."""
    return rank_of(tensor) is not None and tensor.dtype.startswith(("lora", "dora"))


def products(adapter: CheckpointSketch) -> CheckpointSketch:
    """The products of an adapter, without whole tensors and without products that are constant.

    Row codes are removed: rows of a low-rank matrix share them by construction.
    """
    changes = (t for t in adapter.tensors if rank_of(t) is not None and t.stats.std > 0.0)
    kept = (replace(t, minhash=None, moments=None) for t in changes)
    return replace(adapter, tensors=tuple(kept))


def require_model(one: CheckpointSketch) -> None:
    """Raise SketchMismatch for an adapter."""
    if is_adapter(one):
        raise SketchMismatch(
            f"{one.name} is an adapter, not a model: `lineage whois` says what it is to the known models, and"
            " `--adapter` merges it onto its base"
        )
