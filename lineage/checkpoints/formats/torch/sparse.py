"""Sparse torch tensors, as dense ones: coordinates (COO), compressed rows or columns, single or in blocks.

Arguments are those of `_rebuild_sparse_tensor` of torch/_utils.py. Layouts (docs.pytorch.org/docs/stable/sparse.html):
COO has indices (axes, n) and values (n, dense axes...), CSR the bounds of each row in the list of columns, BSR the same
for rows of blocks; CSC and BSC have the bounds of each column in the list of rows. Of sorted entries, and of compressed
rows, only those of the rows that are asked for are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.formats.torch.tensors import Composed, Leaf, Tensor, Unread, is_size
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import count_elements
from lineage.errors import Malformed
from lineage.types import AnyArray, TensorView
from lineage.types.facts.exclusions import NotRead

STEP = 1 << 20  # entries of an unsorted list that are looked at together
COORDINATES = "torch.sparse_coo"
BY_ROWS = frozenset({"torch.sparse_csr", "torch.sparse_bsr"})
BY_COLUMNS = frozenset({"torch.sparse_csc", "torch.sparse_bsc"})
_Views = Mapping[str, TensorView]
_Places = NDArray[np.int64]


def sparse(layout: Any, data: Any, *_: Any) -> Leaf:
    """Take a layout by its name, and (indices, values, shape, is sorted) or (bounds, columns, values, shape)."""
    held = data if isinstance(data, tuple) else ()
    tensors = [part for part in held if isinstance(part, Tensor)]
    shape = next((part for part in held if isinstance(part, tuple)), None)
    if shape is None or not shape or not all(is_size(side) for side in shape):
        raise ValueError("a sparse tensor without a shape")
    if layout == COORDINATES and len(tensors) == 2 and len(tensors[0].shape) == len(tensors[0].strides) == 2:
        places = replace(tensors[0], shape=tensors[0].shape[::-1], strides=tensors[0].strides[::-1])
        is_sorted = held[-1] is True
        return Composed(shape, {"places": places, "values": tensors[1]}, _coordinates(shape, is_sorted))
    if layout in BY_ROWS | BY_COLUMNS and len(tensors) == 3 and len(shape) == 2:
        parts = dict(zip(("bounds", "places", "values"), tensors, strict=True))
        return Composed(shape, parts, _by_rows(shape) if layout in BY_ROWS else _by_columns(shape))
    return Unread(NotRead("sparse-layout"), math.prod(shape))


def _coordinates(shape: tuple[int, ...], is_sorted: bool) -> Callable[[Path, str, _Views], TensorView]:
    def build(path: Path, name: str, views: _Views) -> TensorView:
        places, values = views["places"], views["values"]
        count, axes = places.shape
        count_elements(path, name, shape)
        if values.shape != (count, *shape[axes:]) or not 0 < axes <= len(shape) or places.dtype.kind not in "iu":
            raise _damaged(path, name)

        def entries(start: int, stop: int) -> tuple[int, int]:
            """The run of sorted entries in rows [start, stop); those outside of all are the first's and last's."""
            return _first(places, start) if start else 0, _first(places, stop) if stop < shape[0] else count

        def rows(start: int, stop: int) -> AnyArray:
            out = np.zeros((stop - start, *shape[1:]), values.dtype)
            first, last = entries(start, stop) if is_sorted else (0, count)
            for at in range(first, last, STEP):
                found: _Places = places.rows(at, min(at + STEP, last)).astype(np.int64)
                if ((found < 0) | (found >= np.array(shape[:axes]))).any():
                    raise _damaged(path, name)
                inside = (found[:, 0] >= start) & (found[:, 0] < stop)
                found[:, 0] -= start
                held = values.rows(at, at + len(found))
                np.add.at(out, tuple(found[inside].T), held[inside])
            return out

        return _view(name, shape, values, rows)

    return build


def _blocks(path: Path, name: str, shape: tuple[int, ...], views: _Views, axis: int) -> tuple[int, int]:
    """Sides of a block, (1, 1) where values stand alone. Raises Malformed for parts that do not fit each other."""
    bounds, places, values = views["bounds"], views["places"], views["values"]
    count_elements(path, name, shape)
    block = values.shape[1:] or (1, 1)
    blocks = tuple(side // of for side, of in zip(shape, block, strict=False)) if all(block) else ()
    fits = len(block) == 2 and tuple(n * of for n, of in zip(blocks, block, strict=True)) == shape
    if not fits or bounds.shape != (blocks[axis] + 1,) or places.shape != values.shape[:1]:
        raise _damaged(path, name)
    return block[0], block[1]


def _by_rows(shape: tuple[int, ...]) -> Callable[[Path, str, _Views], TensorView]:
    def build(path: Path, name: str, views: _Views) -> TensorView:
        bounds, columns, values = views["bounds"], views["places"], views["values"]
        tall, wide = _blocks(path, name, shape, views, 0)
        across = shape[1] // wide

        def rows(start: int, stop: int) -> AnyArray:
            first, last = start // tall, -(-stop // tall)
            edges: _Places = bounds.rows(first, max(first, last) + 1).astype(np.int64)
            begin, end = int(edges[0]), int(edges[-1])
            if (np.diff(edges) < 0).any() or not 0 <= begin <= end <= columns.shape[0]:
                raise _damaged(path, name)
            found: _Places = columns.rows(begin, end).astype(np.int64)
            if ((found < 0) | (found >= across)).any():
                raise _damaged(path, name)
            out = np.zeros((last - first, across, tall, wide), values.dtype)
            held = values.rows(begin, end).reshape(-1, tall, wide)
            out[np.repeat(np.arange(last - first), np.diff(edges)), found] = held
            whole = out.swapaxes(1, 2).reshape((last - first) * tall, shape[1])
            return np.ascontiguousarray(whole[start - first * tall :][: stop - start])

        return _view(name, shape, values, rows)

    return build


def _by_columns(shape: tuple[int, ...]) -> Callable[[Path, str, _Views], TensorView]:
    def build(path: Path, name: str, views: _Views) -> TensorView:
        bounds, places, values = views["bounds"], views["places"], views["values"]
        tall, wide = _blocks(path, name, shape, views, 1)
        down, across = shape[0] // tall, shape[1] // wide

        def rows(start: int, stop: int) -> AnyArray:
            first, last = start // tall, -(-stop // tall)
            edges: _Places = bounds.rows(0, across + 1).astype(np.int64)
            if (np.diff(edges) < 0).any() or edges[0] != 0 or edges[-1] != places.shape[0]:
                raise _damaged(path, name)
            out = np.zeros((last - first, across, tall, wide), values.dtype)
            for at in range(0, places.shape[0], STEP):
                end = min(at + STEP, places.shape[0])
                found: _Places = places.rows(at, end).astype(np.int64)
                if ((found < 0) | (found >= down)).any():
                    raise _damaged(path, name)
                inside = (found >= first) & (found < last)
                columns = np.searchsorted(edges, np.arange(at, end)[inside], side="right") - 1
                out[found[inside] - first, columns] = values.rows(at, end).reshape(-1, tall, wide)[inside]
            whole = out.swapaxes(1, 2).reshape((last - first) * tall, shape[1])
            return np.ascontiguousarray(whole[start - first * tall :][: stop - start])

        return _view(name, shape, values, rows)

    return build


def _view(name: str, shape: tuple[int, ...], values: TensorView, rows: Callable[[int, int], AnyArray]) -> TensorView:
    def checked(start: int, stop: int) -> AnyArray:
        if not 0 <= start <= stop <= shape[0]:
            raise IndexError(f"rows {start}:{stop} of {shape[0]}")
        return rows(start, stop)

    return TensorView(name, shape, values.dtype, checked, f"{values.storage}/sparse")


def _first(places: TensorView, row: int) -> int:
    """The first of the sorted entries whose row is `row` or later: they are found by halving, one read a time."""
    low, high = 0, places.shape[0]
    while low < high:
        middle = (low + high) // 2
        if int(places.rows(middle, middle + 1)[0, 0]) < row:
            low = middle + 1
        else:
            high = middle
    return low


def _damaged(path: Path, name: str) -> Malformed:
    return Malformed(path, f"sparse tensor {quoted(name)} lists places that it does not have: it is damaged")
