"""Runs of variable-length integers, decoded by NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.errors import Malformed

BLOCK = 1 << 20  # bytes decoded at a time
_LONGEST = 10  # bytes of one integer


def decode_varints(source: ByteSource, count: int, width: int) -> bytes:
    """Decode `count` integers, each cut to its lowest `width` bytes, little-endian.

    Raises Malformed for another number of integers and for one without end.
    """
    parts: list[bytes] = []
    found = position = 0
    rest = b""
    while position < source.size:
        length = min(BLOCK, source.size - position)
        raw = np.frombuffer(rest + read(source, position, length), np.uint8)
        position += length
        ends = np.flatnonzero(raw < 0x80) + 1
        used = int(ends[-1]) if ends.size else 0
        rest = raw[used:].tobytes()
        if len(rest) >= _LONGEST or found + ends.size > count:
            break
        parts.append(_values(raw[:used], ends).astype(f"<u{width}").tobytes())
        found += ends.size
    if rest or found != count or position < source.size:
        raise Malformed(source.path, f"a list of numbers is damaged: {count:,} are declared")
    return b"".join(parts)


def _values(raw: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    if not ends.size:
        return np.empty(0, np.uint64)
    starts = np.concatenate([[0], ends[:-1]])
    within = np.arange(raw.size) - np.repeat(starts, ends - starts)
    # a number of more than ten bytes keeps its lowest 64 bits, as the format has it for those of ten
    places = np.where(
        within < _LONGEST, (raw & 0x7F).astype(np.uint64) << np.minimum(7 * within, 63).astype(np.uint64), 0
    )
    return np.add.reduceat(places, starts)
