"""Views that bring the values of another view into another order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.row_orders import Order
from lineage.checkpoints.io.byte_sources import Decoded, Recent
from lineage.checkpoints.io.bytes import read
from lineage.checkpoints.io.views import Place, is_dense, strided
from lineage.types import AnyArray, FileSpan, TensorView

NEAR = 16  # rows: gaps up to this are read over rather than around
HELD = 64 << 20  # bytes of a tensor that is read as a whole, because a band of it lies all over it


def turned(name: str, place: Place, strides: tuple[int, ...], storage: str, recent: Recent | None = None) -> TensorView:
    """View a tensor whose elements lie `strides` elements apart, without gaps between the first and the last.

    `place.shape` is the shape of the view. Where the last stored axis comes first, every band touches the whole tensor:
    a small one is read once and held in `recent`, if that is given.
    """
    size = math.prod(place.shape) * place.dtype.itemsize
    if recent is not None and size <= HELD and not is_dense(place.shape, strides):
        make = partial(read, place.source, place.start, size)
        packed = partial(place.source.spans, place.start, place.start + size)
        place = replace(place, source=Decoded(place.source.path, size, storage, make, recent, packed=packed), start=0)
    return strided(name, place, strides, storage)


def permuted(name: str, place: Place, axes: Sequence[int], storage: str, recent: Recent | None = None) -> TensorView:
    """View a dense tensor with its axes in the order `axes`, as numpy.transpose has it."""
    strides = row_major(place.shape)
    shape = tuple(place.shape[axis] for axis in axes)
    return turned(name, replace(place, shape=shape), tuple(strides[axis] for axis in axes), storage, recent)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a dense tensor, in elements."""
    strides = [1]
    for side in reversed(shape[1:]):
        strides.append(strides[-1] * side)
    return tuple(reversed(strides)) if shape else ()


def blocks_in_order(view: TensorView, order: Sequence[int]) -> TensorView:
    """View a tensor whose first axis is made of equal blocks, with block `order[i]` in place i: the gates of a cell."""
    size = view.shape[0] // len(order)

    def runs(start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The runs of rows of `view` that rows [start, stop) are."""
        while start < stop:
            block, within = divmod(start, size)
            length = min(size - within, stop - start)
            first = order[block] * size + within
            yield first, first + length
            start += length

    def rows(start: int, stop: int) -> AnyArray:
        if not 0 <= start <= stop <= view.shape[0]:
            raise IndexError(f"rows {start}:{stop} of {view.shape[0]}")
        return np.concatenate([view.rows(*run) for run in runs(start, stop)] or [view.rows(start, start)])

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        return [span for run in runs(start, stop) for span in view.spans(*run)]

    return replace(view, rows=rows, storage=f"{view.storage}/blocks {','.join(map(str, order))}", spans=spans)


def first_columns(view: TensorView, count: int) -> TensorView:
    """View a matrix without the padding behind its first `count` columns."""

    def rows(start: int, stop: int) -> AnyArray:
        return np.ascontiguousarray(view.rows(start, stop)[:, :count])

    return replace(view, shape=(view.shape[0], count), rows=rows)


def rows_in_order(view: TensorView, order: Order) -> TensorView:
    """View the rows in another order: row i of the new view is row `order(i)` of the old."""

    def runs(places: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """The runs of rows of `view` in which these lie."""
        in_order = np.sort(places)
        for piece in np.split(in_order, np.flatnonzero(np.diff(in_order) > NEAR) + 1):
            yield int(piece[0]), int(piece[-1]) + 1

    def rows(start: int, stop: int) -> AnyArray:
        if not 0 <= start < stop <= view.shape[0]:
            return view.rows(start, stop)  # nothing, or refused
        places = order(np.arange(start, stop, dtype=np.int64))
        out = np.empty((stop - start, *view.shape[1:]), view.dtype)
        for low, high in runs(places):
            inside = (places >= low) & (places < high)
            out[inside] = view.rows(low, high)[places[inside] - low]
        return out

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        places = order(np.arange(start, stop, dtype=np.int64))
        return [span for run in runs(places) for span in view.spans(*run)] if len(places) else ()

    return replace(view, rows=rows, spans=spans)
