"""The sketches of a model's tensors in a file without a name, for models with more of them than memory should hold.

They are written some thousands at a time, and read back as many: a caller that goes through them in order reads each
once.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.arrays import ARRAYS, VALUES, ValueType, joined, widened
from lineage.sketch.bands import grids, sampled
from lineage.types import Part, Stats, StoredTensors, TensorSketch, Units


@dataclass(frozen=True, slots=True)
class Outline:
    """The description of a tensor without its arrays: see `lineage.types.Outlined`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    part: Part
    params: int
    digest: str | None
    band_digest: str
    has_minhash: bool
    values: ValueType


@dataclass(frozen=True, slots=True)
class _Lot:
    """Tensors that were written at once: the first and what is behind the last, and where their arrays lie."""

    first: int
    stop: int
    places: dict[str, tuple[int, int]]  # position and number of rows


_STATS = "stats"
_KEPT = ARRAYS | {_STATS: (np.float64, (7,))}
_FIGURES = attrgetter(*(field.name for field in fields(Stats)))


class TensorsOnDisk(StoredTensors):
    """Sketches of tensors in order; two reads of one tensor may give different objects with the same values."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the sketches do, and has no name
        weakref.finalize(self, self._file.close)
        self._outlines: list[Outline] = []
        self._lots: list[_Lot] = []
        self._end = 0
        self._read: tuple[int, list[TensorSketch]] = (-1, [])
        self._reading = Lock()

    def extend(self, tensors: Sequence[TensorSketch]) -> None:
        """Append some tensors. Raises OSError."""
        arrays, types = joined(tensors)
        arrays[_STATS] = np.array([_FIGURES(t.stats) for t in tensors], np.float64).reshape(-1, 7)
        places = {}
        self._file.seek(self._end)
        for name, array in arrays.items():
            places[name] = self._end, len(array)
            self._file.write(array.reshape(-1).view(np.uint8).data)
            self._end += array.nbytes
        first = len(self._outlines)
        self._outlines += [
            Outline(t.name, t.shape, t.dtype, t.part, t.params, t.digest, t.band_digest, t.minhash is not None, values)
            for t, values in zip(tensors, types, strict=True)
        ]
        self._lots.append(_Lot(first, len(self._outlines), places))

    @property
    def outlines(self) -> Sequence[Outline]:
        """The descriptions of all tensors, in order."""
        return self._outlines

    def blocks(self, name: str) -> Iterator[NDArray[Any]]:
        """The array of that name of a `.sketch` file, lot after lot."""
        for lot in self._lots:
            with self._reading:
                block = self._block(lot, name)
            yield block

    def rows(self, name: str) -> int:
        """The number of rows of the array of that name."""
        return sum(lot.places[name][1] for lot in self._lots)

    def __len__(self) -> int:
        return len(self._outlines)

    def __iter__(self) -> Iterator[TensorSketch]:
        for number in range(len(self._lots)):
            yield from self._tensors(number)

    @overload
    def __getitem__(self, place: int) -> TensorSketch: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[TensorSketch]: ...
    def __getitem__(self, place: int | slice) -> TensorSketch | Sequence[TensorSketch]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        at = range(len(self))[place]
        number = bisect_right(self._lots, at, key=lambda lot: lot.first) - 1
        return _detached(self._tensors(number)[at - self._lots[number].first])

    def _tensors(self, number: int) -> list[TensorSketch]:
        with self._reading:
            if self._read[0] != number:
                self._read = -1, []  # gone before the next are made
                lot = self._lots[number]
                outlines = self._outlines[lot.first : lot.stop]
                self._read = number, _tensors(outlines, {name: self._block(lot, name) for name in _KEPT})
            return self._read[1]

    def _block(self, lot: _Lot, name: str) -> NDArray[Any]:
        dtype, tail = _KEPT[name]
        start, rows = lot.places[name]
        block = np.empty((rows, *tail), dtype)
        self._file.seek(start)
        if self._file.readinto(block.reshape(-1).view(np.uint8).data) != block.nbytes:
            raise OSError("a temporary file is cut")
        return block


def _detached(tensor: TensorSketch) -> TensorSketch:
    """The same tensor with its own copies of arrays, so that those of its lot can be freed."""
    first, second = (None if u is None else Units(u.index, u.codes.copy(), u.scale.copy()) for u in tensor.units)
    return replace(
        tensor,
        values=tensor.values.copy(),
        units=(first, second),
        minhash=None if tensor.minhash is None else tensor.minhash.copy(),
        moments=None if tensor.moments is None else tensor.moments.copy(),
    )


class Blocks:
    """The arrays of a `.sketch` file of some tensors, each as a few blocks, whether they lie in memory or on disk."""

    def __init__(self, tensors: Sequence[TensorSketch]) -> None:
        self._tensors = tensors
        self._joined: dict[str, NDArray[Any]] = {}
        self.value_types: Iterable[ValueType]
        if isinstance(tensors, TensorsOnDisk):
            self.value_types = (outline.values for outline in tensors.outlines)
        else:
            self._joined, self.value_types = joined(tensors)

    def of(self, name: str) -> Iterator[NDArray[Any]]:
        """The blocks of one array, in order."""
        if isinstance(self._tensors, TensorsOnDisk):
            return self._tensors.blocks(name)
        return iter([self._joined[name]])

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array."""
        rows = self._tensors.rows(name) if isinstance(self._tensors, TensorsOnDisk) else len(self._joined[name])
        return (rows, *ARRAYS[name][1])


def _tensors(outlines: Sequence[Outline], arrays: Mapping[str, NDArray[Any]]) -> list[TensorSketch]:
    """Tensors from their outlines and their arrays, one after the other."""
    values, at = widened(arrays), dict.fromkeys(VALUES, 0)
    codes, scales = arrays["unit_codes"], arrays["unit_scale"]
    minhashes, moments = (iter(arrays[name]) for name in ("minhash", "moments"))
    unit = 0
    found = []
    for outline, figures in zip(outlines, arrays[_STATS].tolist(), strict=True):
        mean, std, kurtosis, zeros, levels_row, levels_group, distinct = figures
        shape = outline.shape or (1,)
        grid = grids(shape)
        rows, columns = len(grid[0]), len(grid[1])
        units: tuple[Units | None, Units | None] = (None, None)
        if len(shape) > 1:
            first, second = sampled(shape[0]), sampled(shape[1])
            middle = unit + len(first)
            end = middle + len(second)
            units = (
                Units(first, codes[unit:middle], scales[unit:middle]),
                Units(second, codes[middle:end], scales[middle:end]),
            )
            unit = end
        start = at[outline.values]
        at[outline.values] = stop = start + rows * columns
        found.append(
            TensorSketch(
                name=outline.name,
                shape=outline.shape,
                dtype=outline.dtype,
                part=outline.part,
                params=outline.params,
                stats=Stats(mean, std, kurtosis, zeros, int(levels_row), int(levels_group), distinct),
                band_digest=outline.band_digest,
                digest=outline.digest,
                grid=grid,
                values=values[outline.values][start:stop].reshape(rows, columns),
                units=units,
                minhash=next(minhashes) if outline.has_minhash else None,
                moments=None if outline.digest is None else next(moments),
            )
        )
    return found
