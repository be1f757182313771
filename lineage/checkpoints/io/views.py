"""From a place in a source to a TensorView: dense, packed below a byte, or strided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.io.bytes import ByteSource
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed
from lineage.types import AnyArray, FileSpan, TensorView
from lineage.types.facts.exclusions import NotAWeight

MAX_DIMENSIONS = 32  # NumPy's own limit until version 2
MAX_NAME = 1024  # characters
EMPTY = NotAWeight("no-elements")
SPREAD = 1 << 20  # a strided band that spans up to this many bytes is read in one piece


def check_name(path: Path, name: str) -> None:
    """Refuse names that could not be shown: control characters, lone surrogates, endless ones. Raises Malformed."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise Malformed(path, f"a tensor is named {quoted(name)}: too long, or with control characters")


def count_elements(path: Path, name: str, shape: Sequence[int]) -> int:
    """Count the elements of a shape. Raises Malformed for none, too many, or too many dimensions."""
    if len(shape) > MAX_DIMENSIONS:
        raise Malformed(path, f"tensor {quoted(name)} has {len(shape)} dimensions, more than {MAX_DIMENSIONS}")
    if any(side < 0 for side in shape):
        raise Malformed(path, f"tensor {quoted(name)} has a negative side")
    count = math.prod(shape)
    if count == 0:
        raise Malformed(
            path, f"tensor {quoted(name)} has no elements; it was probably saved without gathering its shards"
        )
    if count >= 1 << 60:
        raise Malformed(path, f"the shape of tensor {quoted(name)} overflows: the header is damaged")
    return count


def without_elements(path: Path, shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Names of the tensors that have no elements, as some libraries write for a bias that a layer does not have.

    Raises Malformed where they are as many as the others: then the weights were left behind.
    """
    empty = [name for name, shape in shapes.items() if 0 in shape]
    if empty and 2 * len(empty) >= len(shapes):
        count_elements(path, empty[0], shapes[empty[0]])
    return empty


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: `start` is the position of its first byte in `source`."""

    source: ByteSource
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # as stored, in whichever byte order

    @property
    def rows(self) -> int:
        """Length of the first axis; a scalar has one row."""
        return self.shape[0] if self.shape else 1

    @property
    def row_elements(self) -> int:
        """Elements of one row."""
        return math.prod(self.shape[1:])

    def band_shape(self, start: int, stop: int) -> tuple[int, ...]:
        """Shape of the band [start, stop). Raises IndexError outside the tensor."""
        if not 0 <= start <= stop <= self.rows:
            raise IndexError(f"rows {start}:{stop} of {self.rows}")
        return (stop - start, *self.shape[1:])


@dataclass(frozen=True, slots=True)
class DenseRows:
    """Reads bands of a tensor whose elements lie at `place` in row-major order; code that knows it may read columns."""

    place: Place

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Read rows [start, stop): one read."""
        place = self.place
        shape = place.band_shape(start, stop)
        row_bytes = place.row_elements * place.dtype.itemsize
        raw = np.empty((stop - start) * row_bytes, np.uint8)
        place.source.fill(place.start + start * row_bytes, raw.data)
        return raw.view(place.dtype).reshape(shape).astype(place.dtype.newbyteorder("="), copy=False)

    def spans(self, start: int, stop: int) -> Iterable[FileSpan]:
        """Where rows [start, stop) lie in files."""
        row_bytes = self.place.row_elements * self.place.dtype.itemsize
        return self.place.source.spans(self.place.start + start * row_bytes, self.place.start + stop * row_bytes)


def dense(name: str, place: Place, storage: str) -> TensorView:
    """View a tensor whose elements lie in row-major order without gaps: a band is one read."""
    rows = DenseRows(place)
    return TensorView(name, place.shape, place.dtype.newbyteorder("="), rows, storage, spans=rows.spans)


def packed(name: str, place: Place, bits: int, storage: str) -> TensorView:
    """View a tensor of `bits` < 8 bits an element, lowest bits of the first byte first.

    This is the order of torch's float4_e2m1fn_x2 (first value in the low nibble), continued over byte
    borders for 6 bits; the safetensors format leaves the order to the writer.
    """

    def rows(start: int, stop: int) -> AnyArray:
        shape = place.band_shape(start, stop)
        first, last = (row * place.row_elements * bits for row in (start, stop))
        raw = np.empty(-(-last // 8) - first // 8, np.uint8)
        place.source.fill(place.start + first // 8, raw.data)
        stream = np.unpackbits(raw, bitorder="little")[first % 8 :][: last - first]
        codes = np.packbits(stream.reshape(-1, bits), axis=1, bitorder="little")
        return codes.reshape(-1).view(place.dtype).reshape(shape)

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        first, last = (row * place.row_elements * bits for row in (start, stop))
        return place.source.spans(place.start + first // 8, place.start - (-last // 8))

    return TensorView(name, place.shape, place.dtype, rows, storage, spans=spans)


def strided(name: str, place: Place, strides: tuple[int, ...], storage: str) -> TensorView:
    """View a tensor whose elements lie `strides` elements apart (not negative): transposed, sliced, Fortran order."""
    if is_dense(place.shape, strides):
        return dense(name, place, storage)
    steps = tuple(stride * place.dtype.itemsize for stride in strides)
    native = place.dtype.newbyteorder("=")

    def rows(start: int, stop: int) -> AnyArray:
        out = np.empty(place.band_shape(start, stop), place.dtype)
        if out.size:
            _gather(place.source, place.start + start * steps[0], steps, out)
        return out.astype(native, copy=False)

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        shape = place.band_shape(start, stop)
        if 0 in shape:
            return ()
        first = place.start + start * steps[0]
        return place.source.spans(first, first + _first_read(shape, steps, place.dtype.itemsize))

    return TensorView(name, place.shape, native, rows, storage, spans=spans)


def is_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the strides (in elements) are those of row-major order; the stride of a side of one does not matter."""
    expected = 1
    for side, stride in zip(reversed(shape), reversed(strides), strict=True):
        if side != 1 and stride != expected:
            return False
        expected *= side
    return True


def last_element(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Position of the last element, in the unit of the strides, counted from the first."""
    return sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))


def _first_read(shape: tuple[int, ...], steps: tuple[int, ...], itemsize: int) -> int:
    """How many bytes `_gather` reads first."""
    extent = last_element(shape, steps) + itemsize
    if not shape or extent <= max(SPREAD, 2 * math.prod(shape) * itemsize):
        return extent
    axis = _longest(shape, steps)
    return _first_read(shape[:axis] + shape[axis + 1 :], steps[:axis] + steps[axis + 1 :], itemsize)


def _longest(shape: tuple[int, ...], steps: tuple[int, ...]) -> int:
    """The axis of the longest step."""
    return max((axis for axis, side in enumerate(shape) if side > 1), key=lambda axis: steps[axis])


def _gather(source: ByteSource, start: int, steps: tuple[int, ...], out: AnyArray) -> None:
    """Fill `out` from elements that lie `steps` bytes apart.

    Reads the whole span at once where it is small or mostly wanted, else slice by slice along the axis of
    the longest step: a band of a transposed matrix does not read the whole matrix.
    """
    extent = last_element(out.shape, steps) + out.itemsize
    if extent <= max(SPREAD, 2 * out.nbytes):
        raw = np.empty(extent, np.uint8)
        source.fill(start, raw.data)
        out[...] = np.ndarray(out.shape, out.dtype, raw, strides=steps)
        return
    axis = _longest(out.shape, steps)
    rest = steps[:axis] + steps[axis + 1 :]
    for i, part in enumerate(np.moveaxis(out, axis, 0)):
        if part.shape:
            _gather(source, start + i * steps[axis], rest, part)
        else:
            raw = np.empty(out.itemsize, np.uint8)
            source.fill(start + i * steps[axis], raw.data)
            out[i] = raw.view(out.dtype)[0]
