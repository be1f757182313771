"""Ranges of bytes: joining neighbours, and reading them out of an answer.

Source: RFC 9110 (HTTP semantics), sections 14.4 (Content-Range) and 14.6 (multipart/byteranges).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lineage.checkpoints.remote.session import Broken

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.IGNORECASE)
_BOUNDARY = re.compile(r'multipart/byteranges\s*;.*boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_LONGEST_HEADER = 4096  # bytes before one part of an answer


class Span(NamedTuple):
    """Bytes [start, stop) of a file."""

    start: int
    stop: int


class Extent(NamedTuple):
    """Bytes of a file that are known: `content` begins at `start`."""

    start: int
    content: bytes

    @property
    def stop(self) -> int:
        """Position behind the last byte."""
        return self.start + len(self.content)


def joined(spans: Iterable[Span], gap: int) -> list[Span]:
    """Spans in order, with those made one that lie up to `gap` bytes apart or overlap."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].stop + gap:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return found


def covered(spans: Sequence[Span], extents: Sequence[Extent]) -> bool:
    """Whether each span lies within one of the extents."""
    return all(any(e.start <= s.start and s.stop <= e.stop for e in extents) for s in spans)


def header(spans: Sequence[Span]) -> str:
    """The value of a Range header."""
    return "bytes=" + ",".join(f"{span.start}-{span.stop - 1}" for span in spans)


def content_range(text: str | None) -> tuple[Span, int]:
    """What a Content-Range says: the bytes in this part, and the size of the file. Raises Broken."""
    match = _CONTENT_RANGE.fullmatch((text or "").strip())
    if match is None or not int(match[1]) <= int(match[2]) < int(match[3]):
        raise Broken("gives a part without saying which")
    return Span(int(match[1]), int(match[2]) + 1), int(match[3])


def boundary(content_type: str | None) -> bytes | None:
    """What separates the parts of an answer with several ranges; None for an answer with one."""
    match = _BOUNDARY.match((content_type or "").strip())
    return match[1].encode("latin-1") if match else None


def parts(body: bytes, separator: bytes) -> Iterator[tuple[Extent, int]]:
    """Each part of an answer with several ranges, and the size of the file it names. Raises Broken."""
    at = 0
    while True:
        begin = body.find(b"--" + separator, at, at + _LONGEST_HEADER)
        if begin < 0:
            raise Broken("breaks off between two ranges")
        at = begin + 2 + len(separator)
        if body[at : at + 2] == b"--":
            return
        end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEADER)
        if end < 0:
            raise Broken("gives a range without a header")
        fields = dict(_field(line) for line in body[at:end].split(b"\r\n") if b":" in line)
        span, total = content_range(fields.get("content-range"))
        at = end + 4
        content = body[at : at + span.stop - span.start]
        if len(content) < span.stop - span.start:
            raise Broken("breaks off inside a range")
        yield Extent(span.start, content), total
        at += len(content)


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()
