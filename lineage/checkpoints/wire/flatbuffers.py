"""Tables and vectors of a FlatBuffer, read in place and within bounds.

Format: https://flatbuffers.dev/internals. Every offset is checked against the file; how many tables are examined is
bounded, since many references may name one table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cachetools import LRUCache

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.errors import Malformed, Truncated

PAGE = 4 << 10  # bytes read at a time
PAGES = 64  # held at a time
MAX_TABLES = 300_000  # of one file; a large model has some 10,000
MAX_TEXT = 64 << 10  # bytes of one string
MAX_LIST = 64  # numbers of one shape, list of axes or of inputs
_SIZES = {"<B": 1, "<b": 1, "<H": 2, "<i": 4, "<I": 4, "<q": 8, "<Q": 8, "<f": 4}


class Flat:
    """The numbers of a FlatBuffer by position. Raises Truncated for positions beyond the end of the file."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._pages: LRUCache[int, bytes] = LRUCache(PAGES)
        self._tables = 0

    def root(self) -> Table:
        """The root table."""
        return self.table(self.number("<I", 0))

    def table(self, at: int) -> Table:
        """The table at a position. Raises Malformed for more tables than any model has."""
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise Malformed(self.source.path, f"has more than {MAX_TABLES:,} tables: damaged, or crafted to hang")
        vtable = at - self.number("<i", at)
        return Table(self, at, vtable, self.number("<H", vtable))

    def number(self, kind: str, at: int) -> int:
        """The number of that struct format at a position."""
        value = struct.unpack(kind, self.bytes(at, _SIZES[kind]))[0]
        assert isinstance(value, int)
        return value

    def bytes(self, at: int, length: int) -> bytes:
        """A short run of bytes."""
        if at < 0 or at + length > self.source.size:
            raise Truncated(
                self.source.path,
                f"byte {at + length:,} is needed, the file has {self.source.size:,}: download it again",
            )
        page, within = divmod(at, PAGE)
        if within + length > PAGE:
            return read(self.source, at, length)
        if (content := self._pages.get(page)) is None:
            content = read(self.source, page * PAGE, min(PAGE, self.source.size - page * PAGE))
            self._pages[page] = content
        return content[within : within + length]


@dataclass(frozen=True, slots=True)
class Vector:
    """`count` elements that begin at byte `start`."""

    flat: Flat
    start: int
    count: int

    def tables(self) -> list[Table]:
        """The tables that a vector of offsets names."""
        return [self.table(i) for i in range(self.count)]

    def table(self, i: int) -> Table:
        """Table `i` of a vector of offsets."""
        at = self.start + 4 * i
        return self.flat.table(at + self.flat.number("<I", at))

    def numbers(self, kind: str) -> list[int]:
        """The elements of a short list as numbers of that struct format. Raises Malformed for a long one."""
        if self.count > MAX_LIST:
            raise Malformed(self.flat.source.path, f"a shape or list of axes has {self.count:,} numbers: damaged")
        size = _SIZES[kind]
        return [self.flat.number(kind, self.start + size * i) for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; fields are asked for by their number in the schema, and are absent in older files."""

    flat: Flat
    at: int
    vtable: int
    vtable_size: int

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """A scalar field."""
        at = self._place(field)
        return self.flat.number(kind, at) if at is not None else default

    def table(self, field: int) -> Table | None:
        """A field that is a table."""
        at = self._target(field)
        return self.flat.table(at) if at is not None else None

    def vector(self, field: int, size: int) -> Vector:
        """A field that is a vector of elements of `size` bytes; empty where it is absent."""
        at = self._target(field)
        if at is None:
            return Vector(self.flat, 0, 0)
        count = self.flat.number("<I", at)
        have = self.flat.source.size
        if at + 4 + count * size > have:
            raise Truncated(
                self.flat.source.path, f"a list ends at byte {at + 4 + count * size:,} of {have:,}: download it again"
            )
        return Vector(self.flat, at + 4, count)

    def text(self, field: int) -> str:
        """A field that is a string."""
        found = self.vector(field, 1)
        if found.count > MAX_TEXT:
            raise Malformed(self.flat.source.path, f"a name of {found.count:,} bytes: the file is damaged")
        with_end = self.flat.bytes(found.start, found.count + 1) if found.count else b"\0"
        return with_end[:-1].decode("utf-8", "replace")

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self.vtable_size:
            return None
        offset = self.flat.number("<H", self.vtable + slot)
        return self.at + offset if offset else None

    def _target(self, field: int) -> int | None:
        at = self._place(field)
        return at + self.flat.number("<I", at) if at is not None else None
