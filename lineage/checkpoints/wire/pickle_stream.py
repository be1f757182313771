"""A source as the stream that a pickle is read from, with values between the opcodes skipped."""

from __future__ import annotations

from lineage.checkpoints.io.bytes import ByteSource, read
from lineage.checkpoints.wire.unpickler import MAX_PICKLE
from lineage.errors import Malformed, Truncated

BLOCK = 1 << 14  # bytes read ahead


class PickleStream:
    """Reads exactly the bytes requested. `position` is that in the source; `tell` does not count skipped bytes."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.position = 0
        self._passed = 0
        self._block = b""
        self._block_start = 0

    def tell(self) -> int:
        """Bytes of the pickle so far."""
        return self.position - self._passed

    def pass_over(self, size: int) -> int:
        """Leave out the next `size` bytes, which are values; their position. Raises Truncated."""
        start = self.position
        if start + size > self.source.size:
            raise self._cut(start + size)
        self.position += size
        self._passed += size
        return start

    def read(self, size: int, /) -> bytes:
        """Read exactly `size` bytes. Raises Truncated at the end of the source."""
        if size > MAX_PICKLE:
            raise self._too_large(size)
        if self.position + size > self.source.size:
            raise self._cut(self.position + size)
        start = self.position - self._block_start
        if not 0 <= start <= start + size <= len(self._block):
            length = min(max(size, BLOCK), self.source.size - self.position)
            self._block, self._block_start, start = read(self.source, self.position, length), self.position, 0
        self.position += size
        return self._block[start : start + size]

    def readline(self) -> bytes:
        """Read up to and with the next line feed."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.read(1)
            if len(line) > BLOCK:
                raise Malformed(self.source.path, "its pickle holds an endless line")
        return bytes(line)

    def _too_large(self, size: int) -> Malformed:
        return Malformed(
            self.source.path,
            f"its pickle holds a value of {size:,} bytes, more than {MAX_PICKLE:,}: save it as npz",
        )

    def _cut(self, need: int) -> Truncated:
        return Truncated(
            self.source.path, f"byte {need:,} is needed, there are {self.source.size:,}: download it again"
        )
