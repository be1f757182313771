"""A sorted table of keys and values, as LevelDB writes it and TensorFlow uses it for the index of a checkpoint.

Format: https://github.com/google/leveldb/blob/main/doc/table_format.md. Snappy, which TensorFlow never writes there, is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.errors import Malformed, Truncated, UnsupportedFormat

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
TRAILER = 5  # a byte of compression and a checksum behind each block
MAX_BLOCK = 64 << 20  # bytes
MAX_ENTRIES = 200_000  # of one index, with what the optimizer keeps
_MAX_KEY = 4096  # bytes


def entries(file: PositionedFile) -> Iterator[tuple[bytes, bytes]]:
    """Go through all keys and values in order. Raises Truncated without a footer, Malformed."""
    if file.size < FOOTER:
        raise Truncated(file.path, f"{file.size} bytes are too few for the index of a checkpoint: download it again")
    footer = read(file, file.size - FOOTER, FOOTER)
    if int.from_bytes(footer[-8:], "little") != MAGIC:
        raise Truncated(file.path, "does not end as the index of a checkpoint does: download it again")
    at = 0
    for _ in range(2):  # the place of a block about blocks, which is not needed
        _, at = _varint(file.path, footer, at)
    handle, _ = _handle(file.path, footer, at)
    count = 0
    for _, value in _block(file, *handle):
        for key, entry in _block(file, *_handle(file.path, value, 0)[0]):
            count += 1
            if count > MAX_ENTRIES:
                raise Malformed(file.path, f"lists more than {MAX_ENTRIES:,} tensors: damaged, or crafted to hang")
            yield key, entry


def _block(file: PositionedFile, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if size > MAX_BLOCK or size < 4 or offset + size + TRAILER > file.size:
        raise Malformed(file.path, f"a block of {size:,} bytes at {offset:,} lies outside the file")
    content = read(file, offset, size + 1)
    if content[-1] != 0:
        raise UnsupportedFormat(file.path, "has a compressed index, which TensorFlow does not write: save it again")
    restarts = int.from_bytes(content[size - 4 : size], "little")
    end = size - 4 - 4 * restarts
    if end < 0:
        raise Malformed(file.path, "a block of the index is shorter than its own list: the file is damaged")
    key, at = b"", 0
    while at < end:
        shared, at = _varint(file.path, content, at)
        added, at = _varint(file.path, content, at)
        length, at = _varint(file.path, content, at)
        if shared > len(key) or shared + added > _MAX_KEY or at + added + length > end:
            raise Malformed(file.path, f"an entry at byte {offset + at:,} of the index is damaged")
        key = key[:shared] + content[at : at + added]
        yield key, content[at + added : at + added + length]
        at += added + length


def _handle(path: Path, content: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(path, content, at)
    size, at = _varint(path, content, at)
    return (offset, size), at


def _varint(path: Path, content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed(path, "a number of the index has no end: the file is damaged")
