"""A sketch that equals a known one: what was computed from the known one's tensors holds for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from lineage.types import CheckpointSketch, Neurons, TensorSketch, Units
from lineage.types.sketch import StoredTensors


def known_again(sketch: CheckpointSketch, known: Iterable[CheckpointSketch]) -> CheckpointSketch:
    """The sketch with the tensors and neurons of the one of `known` that equals it; unchanged if none does."""
    alike = (one for one in known if one.id == sketch.id and not isinstance(one.tensors, StoredTensors))
    same = next((one for one in alike if _are_same(sketch.tensors, one.tensors)), None)
    if same is None or isinstance(sketch.tensors, StoredTensors):
        return sketch
    neurons = same.neurons if _are_same(sketch.neurons, same.neurons) else sketch.neurons
    return replace(sketch, tensors=same.tensors, neurons=neurons)


def _are_same(
    ours: Sequence[TensorSketch] | Sequence[Neurons], theirs: Sequence[TensorSketch] | Sequence[Neurons]
) -> bool:
    return len(ours) == len(theirs) and all(
        _is_same(a, b)
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(_held(one), _held(other), strict=True)
    )


def _held(one: object) -> Iterator[Any]:
    """What a tensor or a layer holds, in the order of its fields."""
    return (getattr(one, field.name) for field in fields(one))  # type: ignore[arg-type]


def _is_same(a: Any, b: Any) -> bool:
    """Whether two values are the same to the bit."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, Units):
        return isinstance(b, Units) and all(map(_is_same, _held(a), _held(b)))
    return bool(a == b)
