"""Views of parts of another view: a run of its rows, of its columns, or one matrix of a stack."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from cachetools import LRUCache

from lineage.checkpoints.io.views import DenseRows, Place, dense, strided
from lineage.types import AnyArray, FileSpan, Spans, TensorView

_HELD = 2  # matrices of a stack that takes decoding: one a thread, for the usual number of threads


def row_range(view: TensorView, start: int, stop: int) -> TensorView:
    """View rows [start, stop); a vector's rows are its elements."""
    length = stop - start

    def rows(first: int, last: int) -> AnyArray:
        _check(first, last, length)
        return view.rows(start + first, start + last)

    def spans(first: int, last: int) -> Iterable[FileSpan]:
        return view.spans(start + first, start + last)

    shape, storage = (length, *view.shape[1:]), f"{view.storage}/rows {start}:{stop}"
    return replace(view, shape=shape, rows=rows, storage=storage, spans=spans)


def every_other_row(view: TensorView, first: int) -> TensorView:
    """View rows `first`, `first` + 2, and so on, of a view with an even number of rows."""
    length = view.shape[0] // 2

    def rows(start: int, stop: int) -> AnyArray:
        _check(start, stop, length)
        return np.ascontiguousarray(view.rows(2 * start, 2 * stop)[first::2])

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        return view.spans(2 * start, 2 * stop)

    shape, storage = (length, *view.shape[1:]), f"{view.storage}/rows {first}::2"
    return replace(view, shape=shape, rows=rows, storage=storage, spans=spans)


def column_range(view: TensorView, start: int, stop: int, step: int = 1) -> TensorView:
    """View columns `start`, `start` + `step`, and so on, below `stop`, of a matrix."""
    length, count = view.shape[0], -(-(stop - start) // step)
    storage = f"{view.storage}/columns {start}:{stop}:{step}"
    place = _plain(view)
    if place is not None:
        at = replace(place, start=place.start + start * place.dtype.itemsize, shape=(length, count))
        return replace(strided(view.name, at, (view.shape[1], step), storage), encoding=view.encoding)

    def rows(first: int, last: int) -> AnyArray:
        _check(first, last, length)
        return np.ascontiguousarray(view.rows(first, last)[:, start:stop:step])

    return replace(view, shape=(length, count), rows=rows, storage=storage)


def matrices(view: TensorView) -> list[TensorView]:
    """The matrices of a stack, or the vectors of a matrix: a view for each step along the first axis.

    One of a stack that lies plainly in a file is read in bands; of another the last two that were decoded are held.
    """
    shape, place = view.shape[1:], _plain(view)
    storages = [f"{view.storage}/{number}" for number in range(view.shape[0])]
    if place is not None:
        size = math.prod(shape) * place.dtype.itemsize
        places = [replace(place, start=place.start + number * size, shape=shape) for number in range(view.shape[0])]
        parts = [dense(view.name, at, storage) for at, storage in zip(places, storages, strict=True)]
        return [replace(part, encoding=view.encoding) for part in parts]
    decoded = _Latest(view)
    return [
        replace(view, shape=shape, rows=decoded.reader(number), storage=storage, spans=decoded.spans(number))
        for number, storage in enumerate(storages)
    ]


class _Latest:
    """The last few steps along the first axis of a view that were read."""

    def __init__(self, view: TensorView) -> None:
        self._view = view
        self._held: LRUCache[int, AnyArray] = LRUCache(_HELD)
        self._lock = threading.Lock()

    def reader(self, number: int) -> Callable[[int, int], AnyArray]:
        """What reads bands of step `number`."""
        length = self._view.shape[1]

        def rows(start: int, stop: int) -> AnyArray:
            _check(start, stop, length)
            return self._whole(number)[start:stop]

        return rows

    def spans(self, number: int) -> Spans:
        """Where step `number` lies in files, which is read as a whole."""
        return lambda _start, _stop: self._view.spans(number, number + 1)

    def _whole(self, number: int) -> AnyArray:
        with self._lock:
            if number not in self._held:
                self._held[number] = self._view.rows(number, number + 1)[0]
            return self._held[number]


def _plain(view: TensorView) -> Place | None:
    """Where a view lies, if it lies in row-major order and is read as stored."""
    if isinstance(view.rows, DenseRows) and view.rows.place.shape == view.shape:
        return view.rows.place
    return None


def _check(start: int, stop: int, length: int) -> None:
    if not 0 <= start <= stop <= length:
        raise IndexError(f"rows {start}:{stop} of {length}")
