"""The constants of a TFLite model.

Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from lineage.checkpoints.decode.affine import dequantised, granularity
from lineage.checkpoints.decode.non_weights import why_left_out
from lineage.checkpoints.decode.rearranged import permuted
from lineage.checkpoints.formats.tf_names import parameter_name
from lineage.checkpoints.formats.tflite.sparse import Sparsity, densified, sparsity_of
from lineage.checkpoints.io.byte_sources import Decoded, Recent
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile
from lineage.checkpoints.io.dtypes import StoredType
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements, packed
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.flatbuffers import Flat, Table, Vector
from lineage.errors import Malformed, Truncated, UnsupportedDtype
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight

MAGIC = b"TFL3"
TEXT = NotAWeight("text")


def _whole(scalar: Any) -> StoredType:
    dtype: np.dtype[Any] = np.dtype(scalar)
    return StoredType(dtype, 8 * dtype.itemsize)


TYPES: dict[int, StoredType] = {
    0: _whole("<f4"),
    1: _whole("<f2"),
    2: _whole("<i4"),
    3: _whole(np.uint8),
    4: _whole("<i8"),
    6: _whole(np.bool_),
    7: _whole("<i2"),
    8: _whole("<c8"),
    9: _whole(np.int8),
    10: _whole("<f8"),
    11: _whole("<c16"),
    12: _whole("<u8"),
    15: _whole("<u4"),
    16: _whole("<u2"),
    17: StoredType(np.dtype(ml_dtypes.int4), 4),
    18: _whole(ml_dtypes.bfloat16),
    19: StoredType(np.dtype(ml_dtypes.int2), 2),
}
_NO_NUMBERS = {5, 13, 14}  # string, resource, variant
# Fields of the tables that are looked at, by their number in the schema.
_OPERATOR_CODES, _SUBGRAPHS, _BUFFERS = 1, 2, 4
_TENSORS, _OPERATORS = 0, 3
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTIZATION, _VARIABLE, _SPARSITY = range(7)
_SCALE, _ZERO, _AXIS = 2, 3, 6

# Operators that read a kernel as their second input, and the order of its axes in torch. Convolutions keep (out,
# height, width, in), depthwise ones (1, height, width, out), those in three dimensions (depth, height, width, in, out),
# and transposed ones (out, height, width, in), where torch has (in, out, height, width).
_KERNELS = {3: (0, 3, 1, 2), 4: (3, 0, 1, 2), 67: (3, 0, 1, 2), 132: (4, 3, 0, 1, 2)}
_CUSTOM = 32
_CUSTOM_KERNELS = {"Convolution2DTransposeBias": 67}  # of MediaPipe, by the built-in operator that they are like
_PASSED_THROUGH = {6, 124}  # dequantize, densify


class TfliteReader:
    """One TFLite model."""

    def recognises(self, head: bytes) -> bool:
        """The identifier of the schema stands behind the offset of the root table."""
        return head[4:8] == MAGIC

    def read(self, file: PositionedFile) -> Contents:
        """List the constants; shapes and other single numbers of the graph are skipped."""
        model = _Model(file)
        tensors: list[TensorView] = []
        left_out: list[tuple[str, Exclusion]] = []
        names = Names()
        for constant in model.constants():
            if constant.is_number:
                continue
            name = names.distinct(parameter_name(constant.name, len(constant.shape)))
            check_name(file.path, name)
            reason = TEXT if constant.kind in _NO_NUMBERS else why_left_out(name)
            if reason is not None:
                left_out.append((name, reason))
            else:
                tensors.append(constant.view(name))
        return Contents("tflite", tuple(tensors), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Constant:
    """A tensor whose values lie in the file; `order` brings the axes of a kernel into torch's."""

    name: str
    kind: int
    shape: tuple[int, ...]
    source: ByteSource
    start: int
    size: int
    scale: Vector
    zero: Vector
    axis: int
    sparsity: Sparsity | None
    order: tuple[int, ...] | None
    recent: Recent

    @property
    def is_number(self) -> bool:
        """Whether it is a shape, an index or an axis, not a weight."""
        is_whole = self.kind in TYPES and TYPES[self.kind].dtype.kind in "iub" and not self.scale.count
        return is_whole and len(self.shape) < 2

    def view(self, name: str) -> TensorView:
        """View the values, dequantised if they have a scale. Raises CheckpointError."""
        if self.kind not in TYPES:
            raise UnsupportedDtype(self.source.path, f"tensor {quoted(name)} has type {self.kind}, unknown here")
        stored, storage = TYPES[self.kind], f"{self.source.path.name}@{self.start}+{self.size}"
        codes = self._turned(self._place(name, stored), storage, stored.bits, name)
        if not self.scale.count or stored.dtype.kind in "fcb":
            return codes
        scale = self._beside(name, self.scale, np.dtype("<f4"))
        zero = self._beside(name, self.zero, np.dtype("<i8")) if self.zero.count else None
        kind = stored.dtype.name
        return dequantised(codes, scale, zero, f"tflite {kind} {granularity(codes.shape, scale.shape)}")

    def _turned(self, place: Place, storage: str, bits: int, name: str) -> TensorView:
        if bits < 8:
            return packed(name, place, bits, storage)
        order = self.order if self.order is not None and len(self.order) == len(place.shape) else None
        return permuted(name, place, order or range(len(place.shape)), storage, self.recent)

    def _place(self, name: str, stored: StoredType) -> Place:
        path, dtype = self.source.path, stored.dtype
        need = -(-count_elements(path, name, self.shape) * stored.bits // 8)
        if self.sparsity is not None:
            values = self.start, self.size // max(1, dtype.itemsize)
            make = partial(densified, self.source, self.sparsity, self.shape, values, dtype)
            decoded = Decoded(path, need, f"{name}@{self.start}", make, self.recent)
            return Place(decoded, 0, self.shape, dtype)
        if need != self.size:
            raise Malformed(path, f"tensor {quoted(name)} needs {need:,} bytes, {self.size:,} are there")
        return Place(self.source, self.start, self.shape, dtype)

    def _beside(self, name: str, numbers: Vector, dtype: np.dtype[Any]) -> TensorView:
        """One number for the tensor, or one for each index of the quantised axis."""
        rank = len(self.shape)
        if numbers.count == 1:
            sides = (1,) * rank
        elif 0 <= self.axis < rank and numbers.count == self.shape[self.axis]:
            sides = tuple(n if axis == self.axis else 1 for axis, n in enumerate(self.shape))
        else:
            raise Malformed(self.source.path, f"tensor {quoted(name)} has {numbers.count:,} scales or zero points")
        storage = f"{self.source.path.name}@{numbers.start}"
        return self._turned(Place(self.source, numbers.start, sides, dtype), storage, 8 * dtype.itemsize, name)


class _Model:
    """The tables of one file."""

    def __init__(self, file: PositionedFile) -> None:
        self._file = file
        self._flat = Flat(file)
        self._root = self._flat.root()
        self._codes = [_builtin(code) for code in self._root.vector(_OPERATOR_CODES, 4).tables()]
        self._buffers = self._root.vector(_BUFFERS, 4)
        self._recent = Recent()

    def constants(self) -> Iterator[_Constant]:
        """Go through the tensors that have a buffer with values, in the order of the file."""
        for graph in self._root.vector(_SUBGRAPHS, 4).tables():
            orders = self._orders(graph)
            for number, tensor in enumerate(graph.vector(_TENSORS, 4).tables()):
                constant = self._constant(tensor)
                if constant is not None:
                    yield replace(constant, order=orders.get(number))

    def _constant(self, tensor: Table) -> _Constant | None:
        buffer = tensor.number(_BUFFER, "<I")
        if buffer >= self._buffers.count:
            raise Malformed(self._file.path, f"a tensor lies in buffer {buffer:,} of {self._buffers.count:,}")
        start, size = self._values(self._buffers.table(buffer))
        if not size or tensor.number(_VARIABLE, "<B"):
            return None
        quantization = tensor.table(_QUANTIZATION)
        nothing = Vector(self._flat, 0, 0)
        return _Constant(
            name=tensor.text(_NAME),
            kind=tensor.number(_TYPE, "<b"),
            shape=tuple(tensor.vector(_SHAPE, 4).numbers("<i")),
            source=self._file,
            start=start,
            size=size,
            scale=quantization.vector(_SCALE, 4) if quantization else nothing,
            zero=quantization.vector(_ZERO, 8) if quantization else nothing,
            axis=quantization.number(_AXIS, "<i") if quantization else 0,
            sparsity=sparsity_of(tensor, _SPARSITY),
            order=None,
            recent=self._recent,
        )

    def _values(self, buffer: Table) -> tuple[int, int]:
        """Position and size of the values: in the table, or, in files beyond 2 GB, behind all tables."""
        offset, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
        if offset > 1:
            if offset + size > self._file.size:
                raise Truncated(
                    self._file.path,
                    f"a buffer ends at byte {offset + size:,} of {self._file.size:,}: download it again",
                )
            return offset, size
        data = buffer.vector(0, 1)
        return data.start, data.count

    def _orders(self, graph: Table) -> dict[int, tuple[int, ...]]:
        """The order of axes for each tensor of a graph that a convolution reads as its kernel."""
        orders: dict[int, tuple[int, ...]] = {}
        behind: dict[int, int] = {}
        for operator in graph.vector(_OPERATORS, 4).tables():
            index = operator.number(0, "<I")
            code = self._codes[index] if index < len(self._codes) else -1
            if code not in _KERNELS and code not in _PASSED_THROUGH:
                continue
            inputs = operator.vector(1, 4).numbers("<i")
            outputs = operator.vector(2, 4).numbers("<i")
            if code in _PASSED_THROUGH and inputs and outputs:
                behind[outputs[0]] = inputs[0]
            elif code in _KERNELS and len(inputs) > 1:
                orders[behind.get(inputs[1], inputs[1])] = _KERNELS[code]
        return orders


def _builtin(code: Table) -> int:
    """The number of a built-in operator, or of the one that a custom one is like; older files keep it in a byte."""
    number = max(code.number(0, "<b"), code.number(3, "<i"))
    return _CUSTOM_KERNELS.get(code.text(1), number) if number == _CUSTOM else number
