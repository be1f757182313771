"""Tensors of an ONNX file: where their values lie, in the file itself or beside it.

Format: `TensorProto` of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from lineage.checkpoints.decode.rearranged import row_major
from lineage.checkpoints.io.byte_sources import Decoded, Joined, Recent
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile, Window
from lineage.checkpoints.io.dtypes import StoredType
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, count_elements, packed, strided
from lineage.checkpoints.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, Span, Wire
from lineage.checkpoints.wire.varints import decode_varints
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedDtype
from lineage.types import TensorView


def _whole(scalar: Any) -> StoredType:
    dtype: np.dtype[Any] = np.dtype(scalar)
    return StoredType(dtype, 8 * dtype.itemsize)


STRING = 8
TYPES: dict[int, StoredType] = {
    1: _whole("<f4"),
    2: _whole(np.uint8),
    3: _whole(np.int8),
    4: _whole("<u2"),
    5: _whole("<i2"),
    6: _whole("<i4"),
    7: _whole("<i8"),
    9: _whole(np.bool_),
    10: _whole("<f2"),
    11: _whole("<f8"),
    12: _whole("<u4"),
    13: _whole("<u8"),
    14: _whole("<c8"),
    15: _whole("<c16"),
    16: _whole(ml_dtypes.bfloat16),
    17: _whole(ml_dtypes.float8_e4m3fn),
    18: _whole(ml_dtypes.float8_e4m3fnuz),
    19: _whole(ml_dtypes.float8_e5m2),
    20: _whole(ml_dtypes.float8_e5m2fnuz),
    21: StoredType(np.dtype(ml_dtypes.uint4), 4),
    22: StoredType(np.dtype(ml_dtypes.int4), 4),
    23: StoredType(np.dtype(ml_dtypes.float4_e2m1fn), 4),
    24: _whole(ml_dtypes.float8_e8m0fnu),
    25: StoredType(np.dtype(ml_dtypes.uint2), 2),
    26: StoredType(np.dtype(ml_dtypes.int2), 2),
}
DIMS, DATA_TYPE, SEGMENT, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 3, 8, 9, 13, 14
# Fields that hold values one by one: fixed width as they are, varints of int32, int64 and uint64.
_FIXED = {4: FIXED32, 10: FIXED64}
_VARINTS = {5, 7, 11}


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of the file. `place` is None if it has no elements."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: int
    place: Place | None
    storage: str

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Stored:
        """The same values in another shape of as many elements."""
        return replace(self, shape=shape, place=self.place and replace(self.place, shape=shape))

    def view(self, name: str, axes: tuple[int, ...] | None = None) -> TensorView:
        """View the values under `name`, with the axes in that order if one is given (not for packed ones)."""
        assert self.place is not None
        if self.bits < 8:
            return packed(name, self.place, self.bits, self.storage)
        axes = axes or tuple(range(len(self.shape)))
        strides = row_major(self.shape)
        turned = replace(self.place, shape=tuple(self.shape[axis] for axis in axes))
        return strided(name, turned, tuple(strides[axis] for axis in axes), self.storage)


@dataclass(slots=True)
class Files:
    """The ONNX file and the files beside it that its tensors name."""

    file: PositionedFile
    wire: Wire
    beside: dict[str, PositionedFile] = field(default_factory=dict)
    recent: Recent = field(default_factory=Recent)

    def external(self, location: str) -> PositionedFile:
        """Open a file of the same folder. Raises Malformed for one outside, NoWeights if it is missing."""
        if location not in self.beside:
            folder = self.file.folder
            if not folder.holds(location):
                raise NoWeights(self.file.path, f"its values lie in {quoted(location)}, which is missing: get it, too")
            self.beside[location] = folder.open(location)
        return self.beside[location]


@dataclass(slots=True)
class _Raw:
    """The fields of one TensorProto."""

    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list)
    raw: Span | None = None
    pieces: list[Span] = field(default_factory=list)
    holder: int = 0  # the field that the pieces come from
    entries: dict[str, str] = field(default_factory=dict)
    external: bool = False


def read_tensor(files: Files, message: Span) -> Stored | None:
    """Locate the values of a TensorProto; None for text. Raises CheckpointError."""
    raw = _parse(files, message)
    path = files.file.path
    if raw.kind == STRING:
        return None
    if raw.kind not in TYPES:
        raise UnsupportedDtype(path, f"tensor {quoted(raw.name)} has data type {raw.kind}, unknown here")
    stored, shape = TYPES[raw.kind], tuple(raw.dims)
    if 0 in shape:
        return Stored(raw.name, shape, stored.dtype, stored.bits, None, "")
    need = -(-count_elements(path, raw.name, shape) * stored.bits // 8)
    source, start, storage = _locate(files, raw, stored, need, math.prod(shape))
    return Stored(raw.name, shape, stored.dtype, stored.bits, Place(source, start, shape, stored.dtype), storage)


def _parse(files: Files, message: Span) -> _Raw:
    found, wire = _Raw(), files.wire
    for entry in wire.fields(message):
        if entry.number == DIMS:
            found.dims += wire.integers(entry)
        elif entry.number == DATA_TYPE:
            found.kind = entry.value
        elif entry.number == NAME:
            found.name = wire.text(entry.span)
        elif entry.number == RAW:
            found.raw = entry.span
        elif entry.number in _VARINTS or entry.number in _FIXED:
            _add_piece(files, found, entry)
        elif entry.number == EXTERNAL:
            key, value = _pair(wire, entry.span)
            found.entries[key] = value
        elif entry.number == LOCATION:
            found.external = entry.value == 1
        elif entry.number == SEGMENT:
            raise Malformed(files.file.path, "holds a tensor in segments: save the model again")
    if len(found.dims) > 32:
        raise Malformed(files.file.path, f"tensor {quoted(found.name)} has {len(found.dims)} dimensions")
    return found


def _add_piece(files: Files, found: _Raw, entry: Field) -> None:
    usual = {BYTES, _FIXED.get(entry.number, VARINT)}
    if entry.kind not in usual or (found.pieces and found.holder != entry.number):
        raise Malformed(files.file.path, f"tensor {quoted(found.name)} holds values of two kinds: damaged")
    found.holder = entry.number
    found.pieces.append(entry.span)


def _pair(wire: Wire, message: Span) -> tuple[str, str]:
    found = {entry.number: wire.text(entry.span) for entry in wire.fields(message) if entry.kind == BYTES}
    return found.get(1, ""), found.get(2, "")


def _locate(files: Files, raw: _Raw, stored: StoredType, need: int, count: int) -> tuple[ByteSource, int, str]:
    """Find the bytes of a tensor: the source, the position in it, and a name for the place."""
    path, name = files.file.path, raw.name
    if raw.external:
        return _locate_beside(files, raw, need)
    if raw.raw is not None:
        _check_size(path, name, need, raw.raw.size)
        return files.file, raw.raw.start, f"{path.name}@{raw.raw.start}+{need}"
    if not raw.pieces:
        raise Malformed(path, f"tensor {quoted(name)} of {count:,} elements has no values")
    storage = f"{path.name}@{raw.pieces[0].start}+{need}"
    pieces = [Window(files.file, span.start, span.size) for span in raw.pieces]
    joined = Joined(path, pieces)
    if raw.holder in _FIXED:
        _check_size(path, name, need, joined.size)
        return (files.file, raw.pieces[0].start, storage) if len(pieces) == 1 else (joined, 0, storage)
    # Narrow types lie one to a number, those below a byte two or four to one.
    numbers = count if stored.bits >= 8 else need
    if stored.dtype.kind == "c" or not numbers <= joined.size <= 10 * numbers:
        raise Malformed(path, f"tensor {quoted(name)} of {count:,} elements has {joined.size:,} bytes of numbers")
    width = stored.dtype.itemsize if stored.bits >= 8 else 1
    make = partial(decode_varints, joined, numbers, width)
    packed = partial(joined.spans, 0, joined.size)
    return Decoded(path, need, storage, make, files.recent, packed=packed), 0, storage


def _locate_beside(files: Files, raw: _Raw, need: int) -> tuple[ByteSource, int, str]:
    path, name = files.file.path, raw.name
    numbers = [raw.entries.get(key) for key in ("offset", "length")]
    if not all(number is None or (number.isascii() and number.isdigit() and len(number) < 20) for number in numbers):
        raise Malformed(path, f"tensor {quoted(name)} has an offset or length that is not a number")
    offset, length = int(numbers[0] or 0), int(numbers[1] or need)
    _check_size(path, name, need, length)
    location = raw.entries.get("location", "")
    source = files.external(location)
    if offset + need > source.size:
        raise Truncated(
            source.path,
            f"tensor {quoted(name)} ends at byte {offset + need:,}, the file at {source.size:,}: download it again",
        )
    return source, offset, f"{location}@{offset}+{need}"


def _check_size(path: Path, name: str, need: int, have: int) -> None:
    if need != have:
        raise Malformed(path, f"tensor {quoted(name)} needs {need:,} bytes, {have:,} are there")
