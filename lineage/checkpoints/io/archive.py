"""Zip archives read in place: members are windows into the file, or inflated into memory within limits."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO, cast

from lineage.checkpoints.io.byte_sources import MAX_DECODED, Decoded, Recent
from lineage.checkpoints.io.bytes import ByteSource, Window, read
from lineage.checkpoints.io.quoting import quoted, reason
from lineage.errors import Malformed, Truncated, UnsupportedFormat

MAX_DIRECTORY = 16 << 20  # bytes of the list of members: 100,000 members, several hundred MB once parsed
# Weights do not compress; a constant tensor does, a thousandfold, so that small archives get a free allowance.
MAX_RATIO = 100
ALLOWANCE = 64 << 20
CHUNK = 1 << 20

_LOCAL_HEADER = struct.Struct("<4s22xHH")


class Archive:
    """The members of a zip, by name, in directory order.

    Raises Truncated without a directory, Malformed for repeated or path-traversing names, encryption or a
    zip bomb, UnsupportedFormat for a compression other than deflate.
    """

    def __init__(self, file: ByteSource) -> None:
        self.file = file
        self._recent = Recent()
        self._members = {info.filename: info for info in _directory(file) if not info.is_dir()}
        _refuse_bomb(file, list(self._members.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members that are not folders."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def source(self, name: str) -> ByteSource:
        """Give a member as a source of bytes: in place if it is stored, inflated at its first use if it is not."""
        info = self._members[name]
        if info.compress_type == zipfile.ZIP_STORED:
            return self._packed(info)
        at = info.header_offset
        packed = partial(self.file.spans, at, at + _LOCAL_HEADER.size + len(name.encode()) + info.compress_size)
        return Decoded(self.file.path, info.file_size, name, partial(self._inflate, info), self._recent, packed=packed)

    def read(self, name: str, limit: int) -> bytes:
        """Read a whole member of at most `limit` bytes."""
        info = self._members[name]
        if info.file_size > limit:
            raise Malformed(
                self.file.path, f"member {quoted(name)} is {info.file_size:,} bytes long, more than {limit:,}"
            )
        return read(self.source(name), 0, info.file_size)

    def head(self, name: str, length: int) -> bytes:
        """Read the first `length` bytes of a member, fewer if it is shorter, without inflating the rest."""
        info = self._members[name]
        length = min(length, info.file_size)
        if info.compress_type == zipfile.ZIP_STORED:
            return read(self._packed(info), 0, length)
        packed = self._packed(info)
        start = read(packed, 0, min(packed.size, length + 1024))  # deflate adds 5 bytes a block at most
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(start, max(length, 1))
        except zlib.error as error:
            raise Malformed(self.file.path, f"member {quoted(name)} is damaged: {reason(error)}") from error

    def _packed(self, info: zipfile.ZipInfo) -> Window:
        """The bytes of a member as stored in the file, found through its local header."""
        sign, name, extra = _LOCAL_HEADER.unpack(read(self.file, info.header_offset, _LOCAL_HEADER.size))
        if sign != b"PK\x03\x04":
            raise Malformed(self.file.path, f"member {quoted(info.filename)} is not where the directory says")
        start = info.header_offset + _LOCAL_HEADER.size + name + extra
        if start + info.compress_size > self.file.size:
            raise Truncated(self.file.path, f"member {quoted(info.filename)} ends beyond the file: download it again")
        return Window(self.file, start, info.compress_size)

    def _inflate(self, info: zipfile.ZipInfo) -> bytes:
        """Inflate a member chunk by chunk, counting what comes out: its declared size is only a claim."""
        packed, machine = self._packed(info), zlib.decompressobj(-zlib.MAX_WBITS)
        parts: list[bytes] = []
        size = position = 0
        try:
            while not machine.eof and position < packed.size:
                chunk = read(packed, position, min(CHUNK, packed.size - position))
                position += len(chunk)
                while chunk and not machine.eof:
                    parts.append(machine.decompress(chunk, CHUNK))
                    chunk = machine.unconsumed_tail
                    size += len(parts[-1])
                    if size > info.file_size:
                        raise Malformed(
                            self.file.path,
                            f"member {quoted(info.filename)} inflates beyond the {info.file_size:,} bytes it declares",
                        )
        except zlib.error as error:
            raise Malformed(self.file.path, f"member {quoted(info.filename)} is damaged: {reason(error)}") from error
        whole = b"".join(parts)
        if size != info.file_size or zlib.crc32(whole) != info.CRC:
            raise Malformed(self.file.path, f"member {quoted(info.filename)} is damaged: its checksum does not agree")
        return whole


class _Stream(io.RawIOBase):
    """The file as zipfile wants it, refusing reads larger than a sane directory."""

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._position = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = base + offset
        if self._position < 0:
            raise zipfile.BadZipFile("a position before the file")
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(self._file.size - self._position, 0)
        size = left if size < 0 else min(size, left)
        if size > MAX_DIRECTORY:
            raise Malformed(self._file.path, f"its list of members takes {size:,} bytes, more than {MAX_DIRECTORY:,}")
        found = read(self._file, self._position, size)
        self._position += size
        return found


def _directory(file: ByteSource) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(cast(IO[bytes], _Stream(file))) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Truncated(
            file.path, f"has no intact zip directory at its end ({reason(error)}): download it again"
        ) from error
    except (ValueError, struct.error, OverflowError, NotImplementedError, IndexError) as error:
        raise Malformed(file.path, f"its zip directory is damaged: {reason(error)}") from error
    seen: set[str] = set()
    for info in members:
        _check_member(file.path, info)
        if info.filename in seen:
            raise Malformed(file.path, f"two members are named {quoted(info.filename)}")
        seen.add(info.filename)
    return members


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    name = quoted(info.orig_filename)
    parts = info.orig_filename.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or "\0" in info.orig_filename or parts[0].endswith(":"):
        raise Malformed(path, f"member {name} would leave the folder it is unpacked in: refused")
    if info.flag_bits & 1:
        raise UnsupportedFormat(path, f"member {name} is encrypted")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnsupportedFormat(path, f"member {name} is compressed by a method other than deflate")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise Malformed(path, f"member {name} is stored but has two sizes")


def _refuse_bomb(file: ByteSource, members: list[zipfile.ZipInfo]) -> None:
    sizes = [info.file_size for info in members if info.compress_type != zipfile.ZIP_STORED]
    if sum(sizes) > ALLOWANCE + MAX_RATIO * file.size:
        raise Malformed(file.path, f"a zip bomb: {file.size:,} bytes that claim to inflate to {sum(sizes):,}: refused")
    if sizes and max(sizes) > MAX_DECODED:
        raise Malformed(
            file.path, f"a compressed member of {max(sizes):,} bytes does not fit in memory: save it uncompressed"
        )
