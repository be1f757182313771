"""Depthwise kernels paired wrongly by their order, searched among those of the same shape.

They have one input each, so that no vector finds them among all matrices of a model; those of one shape are few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lineage.sketch.family import MIN_UNITS
from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch, TensorSketch

MOST = 16  # greatest number of kernels of one shape in a model that are tried


@remembered
def kernels(sketch: CheckpointSketch) -> tuple[int, ...]:
    """Places of the depthwise kernels with enough units for a test."""
    return tuple(i for i, tensor in enumerate(sketch.tensors) if _is_depthwise(tensor))


def candidates(a: CheckpointSketch, b: CheckpointSketch) -> Iterator[tuple[int, list[int]]]:
    """Places in the query, each with those of its shape in the reference, if there are at most `MOST` on both sides."""
    mine, theirs = _by_shape(a), _by_shape(b)
    for shape, places in mine.items():
        others = theirs.get(shape, [])
        if 0 < len(others) <= MOST and len(places) <= MOST:
            yield from ((i, others) for i in places)


def _by_shape(sketch: CheckpointSketch) -> Mapping[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i in kernels(sketch):
        found[sketch.tensors[i].shape].append(i)
    return found


def _is_depthwise(tensor: TensorSketch) -> bool:
    shape = tensor.shape
    return (
        tensor.part.excluded is None
        and len(shape) > 2
        and shape[0] >= MIN_UNITS
        and shape[1] == 1
        and tensor.units[0] is not None
    )
