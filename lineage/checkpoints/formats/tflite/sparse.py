"""Sparse TFLite tensors: which places of the dense tensor the stored values stand for.

Format: `SparsityParameters` of tensorflow/lite/schema/schema.fbs, after the TACO compiler (Kjolstad et al. 2017): the
axes, and the axes inside blocks, are traversed one by one; each is dense, or lists the indices that are there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.checkpoints.wire.flatbuffers import Table
from lineage.errors import Malformed

_UNIONS = {1: "<i4", 2: "<u2", 3: "u1"}
_KINDS = {1: "<i", 2: "<H", 3: "<B"}
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Level:
    """One traversed axis: all `size` indices, or for each place above a run of `indices` between two `segments`."""

    size: int
    segments: tuple[int, int] | None  # position and count in the file, with `width`
    indices: tuple[int, int] | None
    types: tuple[str, str] = ("<i4", "<i4")


@dataclass(frozen=True, slots=True)
class Sparsity:
    """How a sparse tensor is laid out."""

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    levels: tuple[Level, ...]


def sparsity_of(tensor: Table, field: int) -> Sparsity | None:
    """Read the layout of a sparse tensor; None for a dense one."""
    table = tensor.table(field)
    if table is None:
        return None
    order = tuple(table.vector(0, 4).numbers("<i"))
    blocks = tuple(table.vector(1, 4).numbers("<i"))
    return Sparsity(order, blocks, tuple(_level(level) for level in table.vector(2, 4).tables()))


def _level(table: Table) -> Level:
    if table.number(0, "<b") == 0:
        return Level(table.number(1, "<i"), None, None)
    (segments, first), (indices, second) = _list(table, 2), _list(table, 4)
    return Level(0, segments, indices, (first, second))


def _list(table: Table, field: int) -> tuple[tuple[int, int], str]:
    """The position, length and type of a list of numbers: a union of vectors of three widths."""
    kind = table.number(field, "<B")
    inner = table.table(field + 1)
    if kind not in _UNIONS or inner is None:
        raise Malformed(table.flat.source.path, "a sparse tensor has no list of its places")
    vector = inner.vector(0, np.dtype(_UNIONS[kind]).itemsize)
    return (vector.start, vector.count), _UNIONS[kind]


def densified(
    source: ByteSource, sparsity: Sparsity, shape: Sequence[int], values: tuple[int, int], dtype: np.dtype[Any]
) -> bytes:
    """The dense tensor, its stored values (position and count) put in their places. Raises Malformed."""
    start, count = values
    places = _places(source, sparsity, shape, count)
    stored = np.frombuffer(read(source, start, count * dtype.itemsize), dtype)
    dense = np.zeros(math.prod(shape), dtype)
    dense[places] = stored
    return dense.tobytes()


def _places(source: ByteSource, sparsity: Sparsity, shape: Sequence[int], count: int) -> Indices:
    """The flat position of every stored value. Raises Malformed if they are not `count`, or lie outside."""
    rank, levels = len(shape), sparsity.levels
    expected = sorted(sparsity.order) == list(range(len(levels))) and len(levels) == rank + len(sparsity.blocks)
    if not expected or any(not 0 <= axis < rank for axis in sparsity.blocks):
        raise _damaged(source)
    node, taken = np.zeros(1, np.int64), [np.zeros(1, np.int64)] * len(levels)
    for depth, level in enumerate(levels):
        parent, node, index = _children(source, level, node, count)
        taken = [column[parent] for column in taken]
        taken[sparsity.order[depth]] = index
    axes = taken[:rank]
    for block, axis in enumerate(sparsity.blocks):
        size = levels[sparsity.order.index(rank + block)].size
        axes[axis] = axes[axis] * size + taken[rank + block]
    if len(node) != count or any(((a < 0) | (a >= n)).any() for a, n in zip(axes, shape, strict=True)):
        raise _damaged(source)
    return np.ravel_multi_index(axes, tuple(shape)).astype(np.int64)


def _children(source: ByteSource, level: Level, node: Indices, count: int) -> tuple[Indices, Indices, Indices]:
    """The nodes of the next level: which of `node` each belongs to, its number and its index on the axis."""
    if level.segments is None or level.indices is None:
        if not 0 < level.size * len(node) <= count:
            raise _damaged(source)
        parent = np.repeat(np.arange(len(node)), level.size)
        index = np.tile(np.arange(level.size), len(node))
        return parent, node[parent] * level.size + index, index
    segments = _numbers(source, level.segments, level.types[0])
    indices = _numbers(source, level.indices, level.types[1])
    if not len(segments) or node.max(initial=0) + 1 >= len(segments) or (np.diff(segments) < 0).any():
        raise _damaged(source)
    lengths = segments[node + 1] - segments[node]
    if not 0 < lengths.sum() <= count or segments.min() < 0 or segments.max() > len(indices):
        raise _damaged(source)
    parent = np.repeat(np.arange(len(node)), lengths)
    within = np.arange(len(parent)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    number = segments[node][parent] + within
    return parent, number, indices[number]


def _numbers(source: ByteSource, place: tuple[int, int], kind: str) -> Indices:
    dtype = np.dtype(kind)
    return np.frombuffer(read(source, place[0], place[1] * dtype.itemsize), dtype).astype(np.int64)


def _damaged(source: ByteSource) -> Malformed:
    return Malformed(source.path, "a sparse tensor lists places that it does not have: the file is damaged")
