"""The wire format of protocol buffers, read in place and within bounds.

Format: https://protobuf.dev/programming-guides/encoding. Only what is asked for is read: a field that holds the values
of a tensor is skipped, its place is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed, Truncated

AHEAD = 16 << 10  # bytes read at a time
MAX_FIELDS = 1_000_000  # of one file; the largest public graphs have some 500,000
MAX_TEXT = 1 << 20  # bytes of one name or other short value
MAX_DEPTH = 64  # messages inside messages
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10  # bytes


class Span(NamedTuple):
    """Bytes [start, stop) of the file."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.stop - self.start


class Field(NamedTuple):
    """One field of a message: its number, its wire type, its integer (varint only) and where its bytes lie."""

    number: int
    kind: int
    value: int
    start: int
    stop: int

    @property
    def span(self) -> Span:
        """Where the bytes of the field lie."""
        return Span(self.start, self.stop)


class Wire:
    """Reads messages of one file. Its methods raise Truncated or Malformed."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._start = 0
        self._held = b""
        self._count = 0

    def fields(self, message: Span) -> Iterator[Field]:
        """Go through the fields of a message in the order of the file."""
        at, stop = message
        while at < stop:
            self._count += 1
            if self._count > MAX_FIELDS:
                raise Malformed(self.source.path, f"holds more than {MAX_FIELDS:,} fields: damaged, or crafted to hang")
            tag, at = self.varint(at, stop)
            field = self._field(tag >> 3, tag & 7, at, stop)
            at = field.stop
            yield field

    def varint(self, at: int, stop: int) -> tuple[int, int]:
        """Read an unsigned variable-length integer at `at`, and the position behind it."""
        within = at - self._start
        if 0 <= within < len(self._held) and at < stop and (byte := self._held[within]) < 0x80:
            return byte, at + 1  # nearly all are of one byte
        value = shift = 0
        while True:
            byte = self._byte(at, stop)
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
            if shift >= 7 * _MAX_VARINT:
                raise Malformed(self.source.path, f"the number at byte {at:,} has no end: the file is damaged")

    def text(self, span: Span) -> str:
        """Read a short string."""
        return self.bytes(span).decode("utf-8", "replace")

    def bytes(self, span: Span) -> bytes:
        """Read the bytes of a short field."""
        if span.size > MAX_TEXT:
            raise Malformed(self.source.path, f"a name or number takes {span.size:,} bytes: the file is damaged")
        return read(self.source, span.start, span.size)

    def integers(self, field: Field) -> list[int]:
        """The signed 64-bit integers of one field: a single one, or several packed into it."""
        if field.kind == VARINT:
            return [signed(field.value)]
        if field.kind != BYTES or field.span.size > MAX_TEXT:
            raise Malformed(self.source.path, f"field {field.number} holds no list of numbers: the file is damaged")
        found, at = [], field.span.start
        while at < field.span.stop:
            value, at = self.varint(at, field.span.stop)
            found.append(signed(value))
        return found

    def _field(self, number: int, kind: int, at: int, stop: int) -> Field:
        """The field whose tag ends at `at`."""
        if kind == VARINT:
            value, end = self.varint(at, stop)
            return Field(number, kind, value, at, end)
        if kind == BYTES:
            size, at = self.varint(at, stop)
        elif kind in {FIXED32, FIXED64}:
            size = 4 if kind == FIXED32 else 8
        else:
            raise Malformed(self.source.path, f"byte {at:,} has no field of a known kind: damaged, or another format")
        if at + size > stop:
            raise self._beyond(at + size, stop)
        return Field(number, kind, 0, at, at + size)

    def _byte(self, at: int, stop: int) -> int:
        if at >= stop:
            raise self._beyond(at + 1, stop)
        if not self._start <= at < self._start + len(self._held):
            self._held = read(self.source, at, min(AHEAD, self.source.size - at))
            self._start = at
        return self._held[at - self._start]

    def _beyond(self, need: int, stop: int) -> Malformed | Truncated:
        if stop >= self.source.size:
            return Truncated(
                self.source.path, f"byte {need:,} is needed, the file has {self.source.size:,}: download it again"
            )
        return Malformed(self.source.path, f"a field reaches to byte {need:,}, beyond its message's end at {stop:,}")


def signed(value: int) -> int:
    """The two's complement number of 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def check_depth(source: ByteSource, depth: int, what: str) -> None:
    """Refuse messages that nest without end. Raises Malformed."""
    if depth > MAX_DEPTH:
        raise Malformed(source.path, f"{quoted(what)} is nested more than {MAX_DEPTH} deep: refused")
