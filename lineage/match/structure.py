"""Pairs of tensors by name, role, layer and shape, without using values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from math import prod
from typing import NamedTuple

from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch, TensorSketch

Pairing = tuple[int, int, bool]
"""Places of the query's and the reference's tensor, and whether one is stored transposed."""
_Key = tuple[Callable[[TensorSketch, bool], Hashable], bool]


def by_name_or_part(a: CheckpointSketch, b: CheckpointSketch) -> list[Pairing]:
    """Pairs of equal name, or of equal component, role and layer; shapes agree except for the number of rows."""
    mine, theirs = _named(a), _named(b)
    if mine.names == theirs.names:  # as among models of one library and configuration
        return [(i, j, False) for i, j in zip(mine.places, theirs.places, strict=True)]
    return _paired(a, b, _NAMED, (), ())


def by_shape(
    a: CheckpointSketch, b: CheckpointSketch, paired: Collection[int], taken: Collection[int]
) -> list[Pairing]:
    """Pairs of equal shape, in order, of what is left: not `paired` in the query, not `taken` in the reference."""
    return _paired(a, b, _SHAPED, paired, taken)


def orientation(a: TensorSketch, b: TensorSketch, turned: bool) -> bool | None:
    """Whether `b` has the shape of `a` transposed; None if neither orientation fits.

    Square matrices, whose shape does not decide, follow `turned`.
    """
    square = len(a.shape) == 2 and a.shape[0] == a.shape[1]
    if a.shape == b.shape:
        return turned and square
    if a.shape == _facing(b, True):
        return True
    return False if len(a.shape) == len(b.shape) and a.shape[1:] == b.shape[1:] else None


def _paired(
    a: CheckpointSketch, b: CheckpointSketch, keys: Sequence[_Key], paired: Collection[int], taken: Collection[int]
) -> list[Pairing]:
    left = {i: t for i, t in enumerate(a.tensors) if t.part.excluded is None and i not in paired}
    if not left:
        return []
    right = {j: t for j, t in enumerate(b.tensors) if t.part.excluded is None and j not in taken}
    pairs: list[Pairing] = []
    for key, transposed in keys:
        if not left or not right:
            break
        queues: dict[Hashable, list[int]] = defaultdict(list)
        for j, tensor in right.items():
            queues[key(tensor, transposed)].append(j)
        for i, tensor in list(left.items()):
            queue = queues.get(key(tensor, False))
            if queue:
                j = queue.pop(0)
                pairs.append((i, j, transposed))
                del left[i], right[j]
    return pairs


class _Names(NamedTuple):
    """The tensors of a model that are not left out, by name and shape, in order, and their places."""

    names: tuple[tuple[str, tuple[int, ...]], ...]
    places: tuple[int, ...]


@remembered
def _named(sketch: CheckpointSketch) -> _Names:
    kept = [(i, t) for i, t in enumerate(sketch.tensors) if t.part.excluded is None]
    return _Names(tuple((t.name, t.shape) for _, t in kept), tuple(i for i, _ in kept))


def _facing(tensor: TensorSketch, transposed: bool) -> tuple[int, ...]:
    return tensor.shape[::-1] if transposed and len(tensor.shape) == 2 else tensor.shape


def _name_and_shape(tensor: TensorSketch, transposed: bool) -> Hashable:
    return tensor.name, _facing(tensor, transposed)


def _part_and_shape(tensor: TensorSketch, transposed: bool) -> Hashable:
    part = tensor.part
    return part.component, part.role, part.layer, _facing(tensor, transposed)


def _name_and_width(tensor: TensorSketch, _: bool) -> Hashable:
    return tensor.name, len(tensor.shape), tensor.shape[1:]  # another number of rows: an extended vocabulary


def _part_and_width(tensor: TensorSketch, _: bool) -> Hashable:
    part = tensor.part
    return part.component, part.role, part.layer, len(tensor.shape), tensor.shape[1:]


def _shape_alone(tensor: TensorSketch, transposed: bool) -> Hashable:
    return _facing(tensor, transposed)


def _matrix_view(tensor: TensorSketch, _: bool) -> Hashable:
    """Units, inputs and kernel positions: one format writes (36, 1, 256) what another has as (36, 1, 1, 256)."""
    return (*tensor.shape[:2], prod(tensor.shape[2:])) if len(tensor.shape) > 1 else tensor.shape


_NAMED: tuple[_Key, ...] = (
    (_name_and_shape, False),
    (_part_and_shape, False),
    (_name_and_shape, True),
    (_part_and_shape, True),
    (_name_and_width, False),
    (_part_and_width, False),
)
_SHAPED: tuple[_Key, ...] = ((_shape_alone, False), (_shape_alone, True), (_matrix_view, False))
