"""Tar archives read in place: each member is a window into the file.

Format: POSIX.1-2017, pax (ustar and extended headers), and GNU's long names and base-256 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from lineage.checkpoints.io.bytes import ByteSource, Window, read
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed, Truncated, UnsupportedFormat

BLOCK = 512
MAX_MEMBERS = 100_000
MAX_EXTENDED = 1 << 20  # bytes of an extended header, or of a long name
_MARK_AT, _MARK = 257, b"ustar"
_FILES = (b"0", b"\0", b"7")
_LONG_NAME, _EXTENDED, _SPARSE = b"L", b"x", b"S"


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    size: int
    kind: bytes


class Tar:
    """The members of a tar that are plain files, by name, in the order of the file; links are left out.

    Raises Truncated if a member ends beyond the file, Malformed for an invalid header, UnsupportedFormat for
    sparse members.
    """

    def __init__(self, file: ByteSource) -> None:
        self.file = file
        self._places: dict[str, tuple[int, int]] = {}
        position, given = 0, _Extended()
        for _ in range(MAX_MEMBERS):
            if position + 2 * BLOCK > file.size:  # what ends a tar, or a member of any size, takes two blocks
                raise Truncated(
                    file.path, f"ends without the mark that ends a tar, at byte {position:,}: download it again"
                )
            block = read(file, position, BLOCK)
            if not any(block):
                return
            header = self._header(block, position)
            describes = header.kind in (_LONG_NAME, _EXTENDED)
            size = header.size if given.size is None or describes else given.size
            start = position + BLOCK
            if start + size > file.size:
                raise Truncated(
                    file.path, f"member {quoted(given.name or header.name)} ends behind it: download it again"
                )
            if describes:
                given = self._extended(header, start, given)
            else:
                self._add(given.name or header.name, header.kind, start, size)
                given = _Extended()
            position = start + size + -size % BLOCK
        raise Malformed(file.path, f"lists more than {MAX_MEMBERS:,} members")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members that are plain files."""
        return tuple(self._places)

    def source(self, name: str) -> ByteSource:
        """Give a member as a source of bytes."""
        return Window(self.file, *self._places[name])

    def _add(self, name: str, kind: bytes, start: int, size: int) -> None:
        if kind == _SPARSE:
            raise UnsupportedFormat(self.file.path, f"member {quoted(name)} is sparse: unpack it, and give the folder")
        if kind not in _FILES or name.endswith("/"):
            return
        if name in self._places:
            raise Malformed(self.file.path, f"two members are named {quoted(name)}")
        self._places[name] = (start, size)

    def _header(self, block: bytes, position: int) -> _Header:
        path = self.file.path
        said = _number(block[148:156])
        if said != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
            raise Malformed(path, f"the member at byte {position:,} has a header whose checksum does not agree")
        size = _number(block[124:136])
        if size is None:
            raise Malformed(path, f"the member at byte {position:,} has no size")
        name, prefix = _text(block[:100]), _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
        return _Header(f"{prefix}/{name}" if prefix else name, size, block[156:157])

    def _extended(self, header: _Header, start: int, given: _Extended) -> _Extended:
        """The attributes that a header gives to the member after it, added to those of an earlier header."""
        if header.size > MAX_EXTENDED:
            raise Malformed(self.file.path, f"describes a member in {header.size:,} bytes, more than {MAX_EXTENDED:,}")
        content = read(self.file, start, header.size)
        if header.kind == _LONG_NAME:
            return _Extended(_text(content), given.size)
        records = _records(content)
        if records is None:
            raise Malformed(self.file.path, f"the extended header at byte {start:,} is damaged")
        size = records.get("size")
        if size is not None and not (size.isascii() and size.isdigit() and len(size) < 20):
            raise Malformed(self.file.path, f"the extended header at byte {start:,} gives no size")
        if any(key.startswith("GNU.sparse.") for key in records):
            raise UnsupportedFormat(self.file.path, "holds sparse members: unpack it, and give the folder")
        return _Extended(records.get("path", given.name), given.size if size is None else int(size))


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with `head` (512 bytes) is a tar of the last forty years."""
    return head[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK


@dataclass(frozen=True, slots=True)
class _Extended:
    """What stands in the place of the name and size of the next header."""

    name: str | None = None
    size: int | None = None


def _number(field: bytes) -> int | None:
    """Octal digits, or big-endian with the highest bit set (GNU); None for anything else, and for what is negative."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big") if not field[0] & 0x40 else None
    digits = field.split(b"\0")[0].strip(b" ")
    return int(digits or b"0", 8) if all(digit in b"01234567" for digit in digits) else None


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "replace")


def _records(content: bytes) -> dict[str, str] | None:
    """The records of an extended header, each LENGTH KEY=VALUE and the end of a line; None where they are not."""
    found: dict[str, str] = {}
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + 8)
        length = content[position:space] if space > 0 else b""
        if not length.isdigit() or int(length) <= space - position + 1 or position + int(length) > len(content):
            return None
        record = content[space + 1 : position + int(length) - 1]
        key, _, value = record.decode("utf-8", "replace").partition("=")
        found[key] = value
        position += int(length)
    return found
