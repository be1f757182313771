"""The header of a GGUF file: metadata and the list of tensors, checked before memory is taken.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

from lineage.checkpoints.formats.gguf.blocks import TYPES, BlockType
from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import check_name, count_elements
from lineage.errors import Malformed, Truncated, UnsupportedDtype, UnsupportedFormat

MAGIC = b"GGUF"
MAX_HEADER = 128 << 20  # bytes; the largest public vocabularies take about 20 MB
MAX_TENSORS = 1 << 18
MAX_ENTRIES = 1 << 16  # metadata; public files have fewer than 100
MAX_KEPT = 1 << 16  # bytes of a text that is kept; longer ones are passed over
MAX_KEPT_ITEMS = 1 << 10  # of a list that is kept
MAX_DIMENSIONS = 8  # ggml has 4
MAX_NESTING = 4
MAX_ITEMS = 1 << 21  # looked at, of all lists together; the largest vocabularies have 1.3 million texts
DEFAULT_ALIGNMENT = 32
FIRST_READ, NEXT_READ = 1 << 14, 1 << 20  # bytes
MIN_ENTRY = 13  # bytes of a metadata entry with an empty key and a one-byte value
MIN_TENSOR = 24  # bytes of a tensor line with an empty name and no dimension

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class TensorLine:
    """One line of the list of tensors; `shape` is row-major, `start` counts from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type: BlockType
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes the values. Of the metadata, long texts and lists (the vocabulary) are not kept."""

    metadata: dict[str, Any]
    tensors: tuple[TensorLine, ...]
    big_endian: bool = False


def parse_header(file: ByteSource, keep: frozenset[str] = frozenset()) -> Header:
    """Parse and check the header; the tensors come in the order of their bytes.

    Lists whose keys are in `keep` are kept however long they are, within the limit on all lists together.
    Raises Truncated, Malformed, UnsupportedDtype, and UnsupportedFormat for version 1.
    """
    cursor = _Cursor(file)
    cursor.take(len(MAGIC))
    cursor.big_endian = _is_big_endian(file, cursor.number("I"))
    tensor_count, entry_count = cursor.number("Q"), cursor.number("Q")
    _check_count(cursor, tensor_count, MAX_TENSORS, MIN_TENSOR, "tensors")
    _check_count(cursor, entry_count, MAX_ENTRIES, MIN_ENTRY, "metadata entries")
    metadata: dict[str, Any] = {}
    for _ in range(entry_count):
        key = cursor.text(MAX_KEPT) or ""
        if key in metadata:
            raise Malformed(file.path, f"metadata key {quoted(key)} appears twice")
        metadata[key] = _value(cursor, cursor.number("I"), most=MAX_ITEMS if key in keep else MAX_KEPT_ITEMS)
    lines = [_line(cursor) for _ in range(tensor_count)]
    alignment = _alignment(file, metadata)
    placed = _placed(file, lines, cursor.position + -cursor.position % alignment, alignment)
    return Header(metadata, placed, cursor.big_endian)


class _Cursor:
    """Reads numbers and texts one after the other; the file is read in pieces that grow."""

    def __init__(self, file: ByteSource) -> None:
        self.file = file
        self.position = 0
        self._held = b""
        self._held_from = 0
        self._items = 0
        self.big_endian = False

    def take(self, length: int) -> memoryview:
        self.require(length)
        at = self.position - self._held_from
        if at + length > len(self._held):
            ahead = FIRST_READ if self.position == 0 else min(NEXT_READ, max(FIRST_READ, 2 * self.position))
            self._held = read(self.file, self.position, min(max(length, ahead), self.file.size - self.position))
            self._held_from, at = self.position, 0
        self.position += length
        return memoryview(self._held)[at : at + length]

    def skip(self, length: int) -> None:
        self.require(length)
        self.position += length

    def require(self, length: int) -> None:
        """Insist that the file and the limit on headers leave room for `length` more bytes."""
        need = self.position + length
        if need > self.file.size:
            raise Truncated(
                self.file.path, f"header promises {need:,} bytes, the file has {self.file.size:,}: download it again"
            )
        if need > MAX_HEADER:
            raise Malformed(
                self.file.path, f"its header claims {need:,} bytes, more than {MAX_HEADER:,}: crafted to fill memory"
            )

    def count(self, items: int) -> None:
        """Insist that the lists of the file hold no more items than any model's."""
        self._items += items
        if self._items > MAX_ITEMS:
            raise Malformed(self.file.path, f"its header has lists of more than {MAX_ITEMS:,} items: crafted to hang")

    def number(self, code: str) -> Any:
        return self.numbers(1, code)[0]

    def numbers(self, count: int, code: str) -> list[Any]:
        """The next numbers of a type of `struct`, in the order of bytes of the file."""
        packed = f"{'>' if self.big_endian else '<'}{count}{code}"
        return list(struct.unpack(packed, self.take(struct.calcsize(packed))))

    def text(self, limit: int) -> str | None:
        """A text of up to `limit` bytes, None for a longer one, which is skipped."""
        length = self.number("Q")
        if length > limit:
            self.skip(length)
            return None
        try:
            return str(self.take(length), "utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(self.file.path, f"a text before byte {self.position:,} is not UTF-8") from error


def _is_big_endian(file: ByteSource, version: int) -> bool:
    """Whether the version, read as little-endian, is one of the other order of bytes; the magic is the same in both."""
    turned = version & 0xFFFF == 0
    version = int.from_bytes(version.to_bytes(4, "little"), "big") if turned else version
    if version not in (2, 3):
        raise UnsupportedFormat(
            file.path, f"is GGUF version {version}; versions 2 and 3 are read: convert the model again"
        )
    return turned


def _check_count(cursor: _Cursor, count: int, limit: int, least: int, what: str) -> None:
    if count > limit:
        raise Malformed(cursor.file.path, f"its header claims {count:,} {what}, more than {limit:,}: it is damaged")
    cursor.require(count * least)


def _value(cursor: _Cursor, kind: int, depth: int = 0, most: int = MAX_KEPT_ITEMS) -> Any:
    """One metadata value; None for what is too long to be kept: a text, or a list of more than `most` items."""
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    if kind == _STRING:
        return cursor.text(MAX_KEPT)
    if kind != _ARRAY or depth == MAX_NESTING:
        what = "lists too deep" if kind == _ARRAY else f"type {kind}, which does not exist"
        raise Malformed(cursor.file.path, f"a metadata value before byte {cursor.position:,} has {what}")
    of, count = cursor.number("I"), cursor.number("Q")
    return _array(cursor, of, count, depth, most)


def _array(cursor: _Cursor, of: int, count: int, depth: int, most: int) -> list[Any] | None:
    if of in _SCALARS:
        code = _SCALARS[of]
        width = struct.calcsize(f"<{code}")
        if count > most:
            cursor.skip(count * width)
            return None
        cursor.count(count)
        return cursor.numbers(count, code)
    cursor.require(8 * count if of == _STRING else 12 * count)
    cursor.count(count)
    keep = count <= most
    values = [_item(cursor, of, depth, keep) for _ in range(count)]
    return values if keep else None


def _item(cursor: _Cursor, of: int, depth: int, keep: bool) -> Any:
    return cursor.text(MAX_KEPT if keep else 0) if of == _STRING else _value(cursor, of, depth + 1)


def _line(cursor: _Cursor) -> tuple[str, tuple[int, ...], BlockType, int]:
    path = cursor.file.path
    name = cursor.text(MAX_KEPT)
    if name is None:
        raise Malformed(path, "a tensor has a name without end")
    check_name(path, name)
    dimensions = cursor.number("I")
    if dimensions > MAX_DIMENSIONS:
        raise Malformed(path, f"tensor {quoted(name)} has {dimensions:,} dimensions, more than {MAX_DIMENSIONS}")
    sides = cursor.numbers(dimensions, "Q")
    code, offset = cursor.number("I"), cursor.number("Q")
    if code not in TYPES:
        raise UnsupportedDtype(path, f"tensor {quoted(name)} has ggml type {code}, which this version cannot read")
    return name, tuple(reversed(sides)), TYPES[code], offset


def _alignment(file: ByteSource, metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 8 <= alignment <= 1 << 16 or alignment & (alignment - 1):
        raise Malformed(file.path, f"general.alignment {quoted(str(alignment))} is not a power of two from 8 to 65,536")
    return alignment


def _placed(
    file: ByteSource, lines: list[tuple[str, tuple[int, ...], BlockType, int]], data_start: int, alignment: int
) -> tuple[TensorLine, ...]:
    """Check that the tensors follow each other with no more than padding between them, and nothing behind."""
    placed: list[TensorLine] = []
    names: set[str] = set()
    end = 0
    for name, shape, type_, offset in sorted(lines, key=lambda line: line[3]):
        if name in names:
            raise Malformed(file.path, f"tensor {quoted(name)} appears twice")
        names.add(name)
        nbytes = _nbytes(file, name, shape, type_)
        if offset < end or offset % alignment:
            fault = "overlaps the one before it" if offset < end else f"is not aligned to {alignment} bytes"
            raise Malformed(file.path, f"tensor {quoted(name)} {fault}")
        if offset - end >= alignment:
            raise Malformed(file.path, f"tensor {quoted(name)} leaves a hole of {offset - end:,} bytes before it")
        placed.append(TensorLine(name, shape, type_, data_start + offset, nbytes))
        end = offset + nbytes
    have = file.size - data_start
    if end > have:
        raise Truncated(
            file.path, f"header promises {end:,} bytes of tensors, the file has {max(have, 0):,}: download it again"
        )
    if have - end >= alignment:
        raise Malformed(file.path, f"{have - end:,} unexpected bytes after the last tensor")
    return tuple(placed)


def _nbytes(file: ByteSource, name: str, shape: tuple[int, ...], type_: BlockType) -> int:
    count = count_elements(file.path, name, shape)
    width = shape[-1] if shape else 1
    if width % type_.block:
        raise Malformed(
            file.path,
            f"tensor {quoted(name)} has rows of {width:,} values, not a multiple of the {type_.block} of a block",
        )
    return math.prod((count // type_.block, type_.nbytes))
