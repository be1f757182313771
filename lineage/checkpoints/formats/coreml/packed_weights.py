"""The values of a layer of a Core ML neural network.

Format: `WeightParams` and `QuantizationParams` of
https://github.com/apple/coremltools/blob/main/mlmodel/format/NeuralNetwork.proto; the order of bits below a byte,
highest first: coremltools/models/neural_network/quantization_utils.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.rearranged import permuted
from lineage.checkpoints.io.byte_sources import Joined
from lineage.checkpoints.io.bytes import ByteSource, Window, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.wire.protobuf import BYTES, FIXED32, VARINT, Span, Wire
from lineage.errors import Malformed
from lineage.types import AnyArray, FileSpan, Float32Array, TensorView

MAX_TABLE = 1 << 20  # scales, or entries of a table
_PLAIN: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("<f2")}
_CODES, _QUANTISATION = 30, 40
_BYTE: np.dtype[Any] = np.dtype(np.uint8)


@dataclass(frozen=True, slots=True)
class Coded:
    """How codes of `bits` bits become numbers: `code * scale + bias`, one each or one a row, or an entry of `table`."""

    bits: int
    scale: Float32Array
    bias: Float32Array
    table: Float32Array


@dataclass(frozen=True, slots=True)
class Values:
    """A run of values or codes in one source."""

    source: ByteSource
    dtype: np.dtype[Any]
    storage: str
    coded: Coded | None = None

    @staticmethod
    def joined(parts: Sequence[Values | None]) -> Values | None:
        """Several runs of plain values as one; None where one is missing, coded or of another type."""
        held = [part for part in parts if part is not None]
        if len(held) == 1 == len(parts):
            return held[0]
        if len(held) < len(parts) or any(part.coded or part.dtype != held[0].dtype for part in held):
            return None
        source = Joined(held[0].source.path, [part.source for part in held])
        return Values(source, held[0].dtype, "+".join(part.storage for part in held))

    def view(self, name: str, shape: tuple[int, ...], turned: bool) -> TensorView | None:
        """The values as a tensor; None for codes that are not read. Raises Malformed for another number of them.

        `turned` transposes a matrix of plain values.
        """
        path = self.source.path
        check_name(path, name)
        count = count_elements(path, name, shape)
        bits = self.coded.bits if self.coded else 8 * self.dtype.itemsize
        if -(-count * bits // 8) != self.source.size:
            raise Malformed(path, f"weight {quoted(name)} of shape {shape} has {self.source.size:,} bytes")
        place = Place(self.source, 0, shape, self.dtype)
        if self.coded is not None:
            return _decoded(name, place, self.coded, self.storage)
        return permuted(name, place, (1, 0), f"{self.storage}/turned") if turned else dense(name, place, self.storage)


def read_values(wire: Wire, message: Span) -> Values | None:
    """Read a `WeightParams`; None where it holds nothing."""
    held: Values | None = None
    coded: Coded | None = None
    for entry in wire.fields(message):
        if entry.kind != BYTES or not entry.span.size:
            continue
        source = Window(wire.source, entry.span.start, entry.span.size)
        storage = f"{wire.source.path.name}@{entry.span.start}+{entry.span.size}"
        if entry.number in _PLAIN:
            held = Values(source, _PLAIN[entry.number], storage)
        elif entry.number == _CODES:
            held = Values(source, _BYTE, storage)
        elif entry.number == _QUANTISATION:
            coded = _quantisation(wire, entry.span)
    if held is None or held.dtype != _BYTE:
        return held
    return Values(held.source, _BYTE, held.storage, coded or Coded(8, *[np.empty(0, np.float32)] * 3))


def _quantisation(wire: Wire, message: Span) -> Coded:
    bits, scale, bias, table = 8, *[np.empty(0, np.float32)] * 3
    for entry in wire.fields(message):
        if entry.number == 1 and entry.kind == VARINT:
            bits = entry.value
        elif entry.number == 101 and entry.kind == BYTES:
            scale, bias = _floats(wire, entry.span, 1), _floats(wire, entry.span, 2)
        elif entry.number == 102 and entry.kind == BYTES:
            table = _floats(wire, entry.span, 1)
    return Coded(bits, scale, bias, table)


def _floats(wire: Wire, message: Span, number: int) -> Float32Array:
    spans = [e.span for e in wire.fields(message) if e.number == number and e.kind in {BYTES, FIXED32}]
    if sum(span.size for span in spans) > MAX_TABLE:
        raise Malformed(wire.source.path, f"a table of more than {MAX_TABLE:,} bytes: the file is damaged")
    found = b"".join(read(wire.source, span.start, span.size) for span in spans)
    return np.frombuffer(found[: len(found) // 4 * 4], "<f4")


def _decoded(name: str, place: Place, coded: Coded, storage: str) -> TensorView | None:
    if not 1 <= coded.bits <= 8:
        return None
    rows_or_one = {1, place.rows}
    looked_up = coded.table.size == 1 << coded.bits
    if not looked_up and (coded.scale.size not in rows_or_one or coded.bias.size not in rows_or_one | {0}):
        return None

    def rows(start: int, stop: int) -> AnyArray:
        codes = _band(place, coded.bits, start, stop)
        if looked_up:
            return coded.table[codes]
        with np.errstate(all="ignore"):  # of damaged bytes; the sketch refuses what is not finite
            values = codes.astype(np.float32) * _along(coded.scale, start, stop, codes.ndim)
            return values + _along(coded.bias, start, stop, codes.ndim) if coded.bias.size else values

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        first, last = (row * place.row_elements * coded.bits for row in (start, stop))
        return place.source.spans(first // 8, -(-last // 8))

    way = "per-tensor" if coded.scale.size == 1 else "per-channel"
    encoding = f"coreml palette of {coded.bits} bits" if looked_up else f"coreml int{coded.bits} {way}"
    return TensorView(name, place.shape, np.dtype(np.float32), rows, storage, encoding, spans)


def _band(place: Place, bits: int, start: int, stop: int) -> NDArray[np.uint8]:
    """Codes of rows [start, stop), which lie without gaps, the highest bit of a code first."""
    shape = place.band_shape(start, stop)
    first, last = (row * place.row_elements * bits for row in (start, stop))
    raw = np.empty(-(-last // 8) - first // 8, np.uint8)
    place.source.fill(first // 8, raw.data)
    stream = np.unpackbits(raw)[first % 8 :][: last - first]
    codes: NDArray[np.uint8] = np.packbits(stream.reshape(-1, bits), axis=1) >> np.uint8(8 - bits)
    return codes.reshape(shape)


def _along(held: Float32Array, start: int, stop: int, dimensions: int) -> Float32Array:
    return (held[start:stop] if held.size > 1 else held).reshape(-1, *[1] * (dimensions - 1))
