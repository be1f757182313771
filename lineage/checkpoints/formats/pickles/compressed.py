"""Files that are compressed as a whole, inflated into memory within limits."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import reason
from lineage.errors import Malformed, MissingExtra, Truncated

MAX_INFLATED = 1 << 30  # bytes in memory
# Weights do not compress; what inflates beyond this is a bomb.
MAX_RATIO = 100
ALLOWANCE = 16 << 20
CHUNK = 1 << 20
_LZ4 = b"\x04\x22\x4d\x18"


class _Machine(Protocol):
    """What the decompressors of bz2, lzma and lz4 have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more has to be given before anything comes out."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Give at most that many bytes."""


class _Zlib:
    """zlib's decompressor, which keeps what it was given and did not use, as the others do themselves."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a zlib or a gzip header

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def needs_input(self) -> bool:
        return not self._machine.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._machine.decompress(self._machine.unconsumed_tail + data, max_length)


def _lz4() -> _Machine:
    from lz4.frame import LZ4FrameDecompressor

    machine: _Machine = LZ4FrameDecompressor()
    return machine


_MAGIC: tuple[tuple[bytes, Callable[[], _Machine]], ...] = (
    (_LZ4, _lz4),
    (b"\x1f\x8b\x08", _Zlib),
    (b"\x78\x01", _Zlib),
    (b"\x78\x5e", _Zlib),
    (b"\x78\x9c", _Zlib),
    (b"\x78\xda", _Zlib),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"\x5d\x00\x00", lzma.LZMADecompressor),
)
_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError)


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with `head` is of a compression known here."""
    return any(head.startswith(magic) for magic, _ in _MAGIC)


def inflate(file: PositionedFile) -> bytes:
    """Inflate a file. Raises Truncated, Malformed, and MissingExtra for lz4 without its package."""
    machine = _machine(file)
    limit = min(MAX_INFLATED, ALLOWANCE + MAX_RATIO * file.size)
    parts: list[bytes] = []
    size = position = 0
    while not machine.eof:
        chunk = b""
        if machine.needs_input:
            if position >= file.size:
                raise Truncated(file.path, "ends inside its compressed bytes: download it again")
            chunk = read(file, position, min(CHUNK, file.size - position))
            position += len(chunk)
        try:
            parts.append(machine.decompress(chunk, CHUNK))
        except _ERRORS as error:
            raise Malformed(file.path, f"its compressed bytes are damaged: {reason(error)}") from error
        size += len(parts[-1])
        if size > limit:
            raise Malformed(file.path, f"inflates beyond {limit:,} bytes: refused, save it uncompressed")
    return b"".join(parts)


def start_of(file: PositionedFile, length: int) -> bytes:
    """Inflate the first bytes of a file, fewer than `length` where it is shorter or damaged."""
    packed = file.head(CHUNK)
    try:
        return _machine(file).decompress(packed, length)  # type: ignore[no-any-return]
    except _ERRORS:
        return b""


def _machine(file: PositionedFile) -> Any:
    head = file.head(8)
    make = next(make for magic, make in _MAGIC if head.startswith(magic))
    try:
        return make()
    except ImportError as error:
        raise MissingExtra(f"{file.path}: lz4 needs an optional part: pip install 'weight-lineage[lz4]'") from error
