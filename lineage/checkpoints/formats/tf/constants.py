"""The values of a constant in a TensorFlow graph, found where they lie in the file.

Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto. Values lie as in
memory in `tensor_content`, or in a field of their type, where the last one stands for all that are missing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lineage.checkpoints.formats.tf.shapes import sides
from lineage.checkpoints.formats.tf.types import TYPES
from lineage.checkpoints.io.byte_sources import Decoded, Joined, Memory, Recent, Repeating
from lineage.checkpoints.io.bytes import ByteSource, Window, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import MAX_DIMENSIONS, Place, count_elements
from lineage.checkpoints.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, Span, Wire, signed
from lineage.checkpoints.wire.varints import BLOCK, decode_varints
from lineage.errors import Malformed

MAX_PIECES = 1 << 16  # values of one constant that lie one by one; every library packs them
_TYPE, _SHAPE, _CONTENT = 1, 2, 4
# The field that holds the values of a type one by one: of fixed width, as bytes, or as varints.
_FIELDS = {1: 5, 2: 6, 8: 9, 18: 12, 24: 18, 25: 18, 11: 7, 12: 7, 15: 7, 16: 7, 14: 13, 19: 13}
_KINDS = {5: FIXED32, 6: FIXED64, 7: VARINT, 9: FIXED32, 12: FIXED64, 13: VARINT, 18: BYTES, _CONTENT: BYTES}


@dataclass(frozen=True, slots=True)
class Constant:
    """A TensorProto that begins at byte `start`: its type, its shape, and its values by the field that has them."""

    start: int
    kind: int
    shape: tuple[int, ...]
    pieces: dict[int, list[Span]]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_cut_short(self) -> bool:
        """Whether fewer bytes are kept than the elements have: the last value stands for the rest."""
        if any(span.size for span in self.pieces.get(_CONTENT, ())):
            return False
        number = _FIELDS.get(self.kind, 0)
        least = 1 if _KINDS.get(number) == VARINT else self.dtype.itemsize
        return sum(span.size for span in self.pieces.get(number, ())) < self.count * least

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, which is one of `TYPES`."""
        dtype: np.dtype[Any] = np.dtype(TYPES[self.kind])
        return dtype


def read_constant(wire: Wire, message: Span) -> Constant:
    """Read a TensorProto as far as its values. Raises Truncated, Malformed."""
    kind, shape = 0, list[int]()
    pieces: dict[int, list[Span]] = defaultdict(list)
    for entry in wire.fields(message):
        if entry.number == _TYPE:
            kind = entry.value
        elif entry.number == _SHAPE and entry.kind == BYTES:
            shape = [signed(side) for side in sides(wire, entry)]
        elif entry.number in _KINDS and entry.kind in {BYTES, _KINDS[entry.number]}:
            pieces[entry.number].append(entry.span)
            if len(pieces[entry.number]) > MAX_PIECES:
                raise Malformed(wire.source.path, f"keeps more than {MAX_PIECES:,} values one by one: save it again")
    if len(shape) > MAX_DIMENSIONS or any(side < 0 for side in shape):
        raise Malformed(wire.source.path, "holds a constant with an invalid shape: the file is damaged")
    return Constant(message.start, kind, tuple(shape), dict(pieces))


def locate(source: ByteSource, name: str, constant: Constant, recent: Recent) -> Place:
    """Find the values of a constant that has elements, of a type in `TYPES`. Raises Malformed."""
    dtype = constant.dtype
    need = count_elements(source.path, name, constant.shape) * dtype.itemsize
    content = constant.pieces.get(_CONTENT, [])
    if content and content[-1].size:
        _check(source, name, content[-1].size == need, f"needs {need:,} bytes, {content[-1].size:,} are there")
        return Place(source, content[-1].start, constant.shape, dtype)
    values = _values(source, name, constant, recent)
    _check(source, name, values.size <= need, f"needs {need:,} bytes, {values.size:,} are there")
    _check(source, name, values.size % dtype.itemsize == 0, "ends inside a value")
    if values.size < need:
        kept = values if values.size else Memory(source.path, bytes(dtype.itemsize))
        return Place(Repeating(kept, dtype.itemsize, need), 0, constant.shape, dtype)
    return Place(values, 0, constant.shape, dtype)


def _values(source: ByteSource, name: str, constant: Constant, recent: Recent) -> ByteSource:
    """The values that lie one by one."""
    number = _FIELDS.get(constant.kind, 0)
    windows = [Window(source, span.start, span.size) for span in constant.pieces.get(number, [])]
    joined = windows[0] if len(windows) == 1 else Joined(source.path, windows)
    if _KINDS.get(number) != VARINT:
        return joined
    _check(source, name, joined.size <= 10 * constant.count, f"has {joined.size:,} bytes of numbers")
    count, width = _count_varints(joined), constant.dtype.itemsize
    make = partial(decode_varints, joined, count, width)
    packed = partial(joined.spans, 0, joined.size)
    return Decoded(source.path, count * width, f"values@{constant.start}", make, recent, packed=packed)


def _count_varints(source: ByteSource) -> int:
    found = 0
    for at in range(0, source.size, BLOCK):
        block = np.frombuffer(read(source, at, min(BLOCK, source.size - at)), np.uint8)
        found += int(np.count_nonzero(block < 0x80))
    return found


def _check(source: ByteSource, name: str, fits: bool, said: str) -> None:
    if not fits:
        raise Malformed(source.path, f"constant {quoted(name)} {said}: the file is damaged")
