"""MessagePack as plain data; values that are bytes stay in the file as places.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md. A reader of our own, since the library builds every
value in memory: here only texts, numbers and containers are built, and their number is bounded.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.errors import Malformed, Truncated

MAX_ITEMS = 200_000  # of all containers together
MAX_DEPTH = 64
MAX_TEXT = 1 << 16  # bytes of one text that is kept; longer ones are places
AHEAD = 1 << 14  # bytes read at a time
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
# First byte: bytes of the length behind it.
_BYTES, _TEXTS = {0xC4: 1, 0xC5: 2, 0xC6: 4}, {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS, _MAPS = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}
_EXTENSIONS, _FIXED_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}, {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


class Bytes(NamedTuple):
    """A run of bytes that stays in the file; `code` is the type of an extension, None for plain bytes."""

    start: int
    size: int
    code: int | None = None


class MsgpackFile:
    """Reads values of one source. Raises Truncated and Malformed."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._held = b""
        self._held_from = 0
        self._items = 0

    def value(self) -> Any:
        """The one value that fills the source."""
        value, end = self._value(0, self.source.size, 0)
        if end != self.source.size:
            raise Malformed(self.source.path, f"{self.source.size - end:,} unexpected bytes after its data")
        return value

    def inside(self, place: Bytes) -> Any:
        """The value that fills an extension."""
        value, end = self._value(place.start, place.start + place.size, 0)
        if end != place.start + place.size:
            raise Malformed(self.source.path, f"an extension at byte {place.start:,} holds more than one value")
        return value

    def text(self, place: Bytes) -> str:
        """Short bytes as a text: some writers keep the names of fields so."""
        return read(self.source, place.start, min(place.size, MAX_TEXT)).decode("utf-8", "replace")

    def _value(self, at: int, stop: int, depth: int) -> tuple[Any, int]:
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise Malformed(self.source.path, "nests its data without end, or holds more items than any model")
        code = self._take(at, 1, stop)[0]
        at += 1
        if 0x80 <= code < 0x90 or code in _MAPS:
            return self._map(*self._length(code, 0x0F, _MAPS, at, stop), stop, depth)
        if 0x90 <= code < 0xA0 or code in _LISTS:
            return self._list(*self._length(code, 0x0F, _LISTS, at, stop), stop, depth)
        if 0xA0 <= code < 0xC0 or code in _TEXTS:
            return self._text(*self._length(code, 0x1F, _TEXTS, at, stop), stop)
        if code in _BYTES or code in _EXTENSIONS or code in _FIXED_EXTENSIONS:
            return self._bytes(code, at, stop)
        return self._number(code, at, stop)

    def _number(self, code: int, at: int, stop: int) -> tuple[Any, int]:
        """A number in one byte or behind it, or a constant."""
        if code < 0x80 or code >= 0xE0:
            return (code if code < 0x80 else code - 0x100), at
        if code in _CONSTANTS:
            return _CONSTANTS[code], at
        if code not in _NUMBERS:
            raise Malformed(self.source.path, f"no value begins at byte {at - 1:,}: the file is damaged")
        size = struct.calcsize(_NUMBERS[code])
        return struct.unpack(_NUMBERS[code], self._take(at, size, stop))[0], at + size

    def _length(self, code: int, mask: int, wide: dict[int, int], at: int, stop: int) -> tuple[int, int]:
        """A length that lies in the first byte or behind it, and the position behind that."""
        if code not in wide:
            return code & mask, at
        return int.from_bytes(self._take(at, wide[code], stop), "big"), at + wide[code]

    def _map(self, count: int, at: int, stop: int, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        for _ in range(count):
            key, at = self._value(at, stop, depth + 1)
            value, at = self._value(at, stop, depth + 1)
            name = self.text(key) if isinstance(key, Bytes) else key
            if not isinstance(name, str | int) or str(name) in found:
                raise Malformed(self.source.path, "a name in its data is not text, or is repeated")
            found[str(name)] = value
        return found, at

    def _list(self, count: int, at: int, stop: int, depth: int) -> tuple[list[Any], int]:
        found = []
        for _ in range(count):
            value, at = self._value(at, stop, depth + 1)
            found.append(value)
        return found, at

    def _text(self, size: int, at: int, stop: int) -> tuple[str | Bytes, int]:
        self._require(at + size, stop)
        if size > MAX_TEXT:
            return Bytes(at, size), at + size
        return self._take(at, size, stop).decode("utf-8", "replace"), at + size

    def _bytes(self, code: int, at: int, stop: int) -> tuple[Bytes, int]:
        kind: int | None = None
        if code in _FIXED_EXTENSIONS:
            size = _FIXED_EXTENSIONS[code]
        else:
            size, at = self._length(code, 0, _BYTES | _EXTENSIONS, at, stop)
        if code not in _BYTES:
            kind, at = self._take(at, 1, stop)[0], at + 1
        self._require(at + size, stop)
        return Bytes(at, size, kind), at + size

    def _take(self, at: int, size: int, stop: int) -> bytes:
        self._require(at + size, stop)
        if not self._held_from <= at <= at + size <= self._held_from + len(self._held):
            self._held = read(self.source, at, min(max(size, AHEAD), self.source.size - at))
            self._held_from = at
        return self._held[at - self._held_from : at - self._held_from + size]

    def _require(self, end: int, stop: int) -> None:
        if end > stop:
            kind = Truncated if stop >= self.source.size else Malformed
            raise kind(self.source.path, f"byte {end:,} is needed, there are {stop:,}: download it again")
