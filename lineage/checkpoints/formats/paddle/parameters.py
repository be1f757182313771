"""The parameters of a Paddle model: one record behind the other, without names.

Format: `SerializeToStream` of paddle/fluid/framework/lod_tensor.cc and `TensorToStream` of tensor_util.cc
(https://github.com/PaddlePaddle/Paddle): a version, levels of detail, a version, a `TensorDesc` and the values.
The parameters come in the order of their names, which the program beside the file gives (`inference.pdmodel` beside
`inference.pdiparams`, `__model__` beside `__params__`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.decode.rearranged import permuted
from lineage.checkpoints.formats.paddle.program import Program, read_program
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.protobuf import VARINT, Span, Wire
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView

MAX_PARAMETERS = 1 << 18
_HEAD = struct.Struct("<IQIi")  # version, levels of detail, version of the tensor, bytes of its description
_MAX_DESCRIPTION = 512
_TYPE, _SIDES = 1, 2
# `VarType.Type`
TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype(np.bool_),
    1: np.dtype("<i2"),
    2: np.dtype("<i4"),
    3: np.dtype("<i8"),
    4: np.dtype("<f2"),
    5: np.dtype("<f4"),
    6: np.dtype("<f8"),
    20: np.dtype(np.uint8),
    21: np.dtype(np.int8),
    22: np.dtype(ml_dtypes.bfloat16),
    23: np.dtype("<c8"),
    24: np.dtype("<c16"),
    32: np.dtype(ml_dtypes.float8_e4m3fn),
    33: np.dtype(ml_dtypes.float8_e5m2),
}


class _Record(NamedTuple):
    place: Place
    nbytes: int


class PaddleReader:
    """One .pdiparams file; its program lies beside it."""

    def recognises(self, head: bytes) -> bool:
        """Two versions and a level of detail, all zero, then a short description that begins with a type."""
        if len(head) <= _HEAD.size:
            return False
        *zeros, size = _HEAD.unpack_from(head)
        return not any(zeros) and 2 <= size <= _MAX_DESCRIPTION and head[_HEAD.size] == _TYPE << 3 | VARINT

    def read(self, file: PositionedFile) -> Contents:
        """List the parameters in the order of the file; without a program their names are numbers."""
        records = list(_records(file))
        program = _program_beside(file)
        if program is None:
            return _contents(file, [str(i) for i in range(len(records))], records, Program())
        names = sorted(program.parameters)
        if len(names) != len(records):
            raise Malformed(
                file.path,
                f"holds {len(records):,} parameters, the program beside it names {len(names):,}: cut, or of two models",
            )
        return _contents(file, names, records, program)


def _contents(file: PositionedFile, names: list[str], records: list[_Record], program: Program) -> Contents:
    views = []
    for name, record in zip(names, records, strict=True):
        check_name(file.path, name)
        count_elements(file.path, name, record.place.shape)
        views.append(_view(name, record, turned=name in program.turned))
    tensors, left_out = set_aside(views)
    return Contents("paddle", tensors, left_out)


def _view(name: str, record: _Record, *, turned: bool) -> TensorView:
    place = record.place
    storage = f"{place.source.path.name}@{place.start}+{record.nbytes}"
    if turned and len(place.shape) == 2:
        return permuted(name, place, (1, 0), f"{storage}/turned")
    return dense(name, place, storage)


def _records(file: PositionedFile) -> Iterator[_Record]:
    wire, at, count = Wire(file), 0, 0
    while at < file.size:
        count += 1
        if at + _HEAD.size > file.size:
            raise _cut(file, at + _HEAD.size)
        *zeros, size = _HEAD.unpack(read(file, at, _HEAD.size))
        if any(zeros) or not 0 < size <= _MAX_DESCRIPTION or count > MAX_PARAMETERS:
            raise Malformed(file.path, f"no parameter begins at byte {at:,}: damaged, or of another version of Paddle")
        described = Span(at + _HEAD.size, at + _HEAD.size + size)
        if described.stop > file.size:
            raise _cut(file, described.stop)
        shape, dtype = _description(wire, described)
        if any(side < 0 for side in shape) or len(shape) > _MAX_DESCRIPTION:
            raise Malformed(file.path, f"the parameter at byte {at:,} has a negative side: the file is damaged")
        nbytes = math.prod(shape) * dtype.itemsize
        at = described.stop + nbytes
        if at > file.size:
            raise _cut(file, at)
        yield _Record(Place(file, described.stop, shape, dtype), nbytes)


def _description(wire: Wire, message: Span) -> tuple[tuple[int, ...], np.dtype[Any]]:
    kind, sides = -1, list[int]()
    for entry in wire.fields(message):
        if entry.number == _TYPE and entry.kind == VARINT:
            kind = entry.value
        elif entry.number == _SIDES:
            sides += wire.integers(entry)
    if kind not in TYPES:
        raise UnsupportedDtype(wire.source.path, f"holds values of Paddle's type {kind}, which is not read here")
    return tuple(sides), TYPES[kind]


def _program_beside(file: PositionedFile) -> Program | None:
    name = "__model__" if file.path.name == "__params__" else f"{file.path.stem}.pdmodel"
    return read_program(file.folder.open(name)) if file.folder.holds(name) else None


def _cut(file: PositionedFile, need: int) -> Truncated:
    return Truncated(file.path, f"byte {need:,} is needed, the file has {file.size:,}: download it again")
