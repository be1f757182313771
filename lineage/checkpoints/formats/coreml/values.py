"""Constants of an ML program: their type, and where their values lie.

Format: `Value`, `TensorType` and `DataType` of https://github.com/apple/coremltools/blob/main/mlmodel/format/MIL.proto;
the blob file: mlmodel/src/MILBlob/Blob/StorageFormat.hpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import ml_dtypes
import numpy as np

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, count_elements, dense, packed
from lineage.checkpoints.wire.protobuf import BYTES, VARINT, Field, Span, Wire
from lineage.errors import Malformed, NoWeights, Truncated
from lineage.types import TensorView

HERE = "@model_path/"  # how a program names the folder that it lies in
_SENTINEL = 0xDEADBEEF
_METADATA = 64  # bytes before the values of a blob
_CODES: np.dtype[Any] = np.dtype(np.uint8)
# `DataType`: what holds a value, and the bits that it takes in the blob file.
TYPES: dict[int, tuple[np.dtype[Any], int]] = {
    1: (np.dtype(np.bool_), 8),
    3: (np.dtype(ml_dtypes.float8_e4m3fn), 8),
    4: (np.dtype(ml_dtypes.float8_e5m2), 8),
    10: (np.dtype("<f2"), 16),
    11: (np.dtype("<f4"), 32),
    12: (np.dtype("<f8"), 64),
    13: (np.dtype(ml_dtypes.bfloat16), 16),
    21: (np.dtype(np.int8), 8),
    22: (np.dtype("<i2"), 16),
    23: (np.dtype("<i4"), 32),
    24: (np.dtype("<i8"), 64),
    25: (np.dtype(ml_dtypes.int4), 4),
    31: (_CODES, 8),
    32: (np.dtype("<u2"), 16),
    33: (np.dtype("<u4"), 32),
    34: (np.dtype("<u8"), 64),
    35: (_CODES, 4),
    36: (_CODES, 2),
    37: (_CODES, 1),
    38: (_CODES, 6),
    39: (_CODES, 3),
}
# Fields of `TensorValue` whose message holds the values as they are in memory; the others hold varints or texts.
_PLAIN = {1: 11, 6: 12, 7: None}
_VARINTS = frozenset({2, 3, 5})


@dataclass(frozen=True, slots=True)
class Stored:
    """One constant: `place` is None where the values are small integers, which are `integers`.

    `in_blob` distinguishes values of the blob file from numbers among the operations.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: int
    place: Place | None
    storage: str
    integers: tuple[int, ...] = ()
    in_blob: bool = False

    @property
    def is_float(self) -> bool:
        """Whether the values are numbers with a fraction."""
        return self.dtype.kind not in "biu" and self.bits >= 8

    def view(self) -> TensorView:
        """The values as stored."""
        assert self.place is not None
        if self.bits < 8:
            return packed(self.name, self.place, self.bits, self.storage)
        return dense(self.name, self.place, self.storage)

    def reshaped(self, shape: Sequence[int]) -> Stored:
        """The same values in another shape of as many."""
        assert self.place is not None
        return replace(self, shape=tuple(shape), place=replace(self.place, shape=tuple(shape)))


class Values:
    """Reads the constants of one program; blob files lie in the folder of the program."""

    def __init__(self, file: PositionedFile, wire: Wire) -> None:
        self.file = file
        self.wire = wire
        self.blobs: dict[str, PositionedFile] = {}

    def read(self, name: str, message: Span) -> Stored | None:
        """Read a `Value`; None for texts, lists, dictionaries and tensors of unknown shape. Raises CheckpointError."""
        kind, shape, place, storage = None, None, None, ""
        integers: tuple[int, ...] = ()
        held: Field | None = None
        for entry in self.wire.fields(message):
            if entry.kind == BYTES and entry.number == 2:
                kind, shape = self._type(entry.span)
            elif entry.kind == BYTES and entry.number in {3, 5}:
                held = entry
        if held is None or shape is None or kind not in TYPES:
            return None
        dtype, bits = TYPES[kind]
        size = -(-count_elements(self.file.path, name, shape) * bits // 8)
        if held.number == 5:
            place, storage = self._in_blob(name, held.span, shape, dtype, size)
        else:
            span, integers = self._immediate(held.span, kind)
            if span is not None:
                if span.size != size:
                    raise Malformed(
                        self.file.path, f"constant {quoted(name)} needs {size:,} bytes and holds {span.size:,}"
                    )
                place = Place(self.file, span.start, shape, dtype)
                storage = f"{self.file.path.name}@{span.start}+{size}"
        return Stored(name, shape, dtype, bits, place, storage, integers, held.number == 5)

    def _type(self, message: Span) -> tuple[int | None, tuple[int, ...] | None]:
        """`ValueType`: the type of the elements and the shape, of a tensor whose sides are all known."""
        tensor = next((e.span for e in self.wire.fields(message) if e.number == 1 and e.kind == BYTES), None)
        if tensor is None:
            return None, None
        kind, sides = None, []
        for entry in self.wire.fields(tensor):
            if entry.number == 1 and entry.kind == VARINT:
                kind = entry.value
            elif entry.number == 3 and entry.kind == BYTES:
                sides.append(self._side(entry.span))
        shape = None if any(side is None for side in sides) else tuple(side for side in sides if side is not None)
        return kind, shape

    def _side(self, message: Span) -> int | None:
        for entry in self.wire.fields(message):
            if entry.number == 1 and entry.kind == BYTES:
                return next((e.value for e in self.wire.fields(entry.span) if e.number == 1), 0)
        return None

    def _immediate(self, message: Span, kind: int) -> tuple[Span | None, tuple[int, ...]]:
        """`ImmediateValue`: where the values lie if they lie as in memory, or the integers."""
        for entry in self.wire.fields(message):
            if entry.number != 1 or entry.kind != BYTES:
                continue
            for held in self.wire.fields(entry.span):
                if held.kind != BYTES:
                    continue
                values = [e for e in self.wire.fields(held.span) if e.number == 1]
                if held.number in _PLAIN and _PLAIN[held.number] in {None, kind} and len(values) == 1:
                    return values[0].span, ()
                if held.number in _VARINTS:
                    return None, tuple(number for e in values for number in self.wire.integers(e))
        return None, ()

    def _in_blob(
        self, name: str, message: Span, shape: tuple[int, ...], dtype: np.dtype[Any], size: int
    ) -> tuple[Place, str]:
        """`BlobFileValue`: a file and the offset of a record, which holds the size and place of the values."""
        file_name, offset = "", 0
        for entry in self.wire.fields(message):
            if entry.number == 1 and entry.kind == BYTES:
                file_name = self.wire.text(entry.span)
            elif entry.number == 2 and entry.kind == VARINT:
                offset = entry.value
        blob = self._blob(file_name)
        if offset + _METADATA > blob.size:
            raise Truncated(
                blob.path,
                f"the record of {quoted(name)} lies at byte {offset:,} of {blob.size:,}: download it again",
            )
        record = read(blob, offset, _METADATA)
        have, start = int.from_bytes(record[8:16], "little"), int.from_bytes(record[16:24], "little")
        if int.from_bytes(record[:4], "little") != _SENTINEL or have != size:
            raise Malformed(blob.path, f"byte {offset:,} holds no record of {size:,} bytes for {quoted(name)}")
        if start + size > blob.size:
            raise Truncated(
                blob.path, f"{quoted(name)} ends at byte {start + size:,} of {blob.size:,}: download it again"
            )
        return Place(blob, start, shape, dtype), f"{blob.path.name}@{start}+{size}"

    def _blob(self, name: str) -> PositionedFile:
        if name not in self.blobs:
            relative = str(PurePosixPath(name.removeprefix(HERE)))
            if not self.file.folder.holds(relative):
                raise NoWeights(
                    self.file.path, f"its weights {quoted(relative)} are missing: give the whole .mlpackage folder"
                )
            self.blobs[name] = self.file.folder.open(relative)
        return self.blobs[name]
