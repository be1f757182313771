"""One file on a server, read by ranges and checked to stay the same file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from lineage.checkpoints.remote.ranges import Extent, Span, boundary, content_range, covered, header, parts
from lineage.checkpoints.remote.refusals import refusal
from lineage.checkpoints.remote.session import Broken, Reply, Session
from lineage.errors import Unreachable

WHOLE = 64 << 20  # a file up to this size is read whole from a server that gives no ranges
_FOR_PARTS = 1024  # bytes around each range of an answer with several
_ANEW = frozenset({400, 401, 403, 404, 410})  # what an address that has expired answers


class _NoParts(Exception):
    """The server does not give several ranges in one answer."""


class Source:
    """The bytes of one file on a server.

    `size` is None until it is known from a listing or the first answer. `tag` identifies the content: the strong
    ETag, None where the server gives none. Raises Unreachable, also for a file that changes between two answers.
    """

    def __init__(self, session: Session, path: Path, url: str, size: int | None = None) -> None:
        self.path = path
        self.size = size
        self._session = session
        self._url = url
        self._location = url  # where the redirects led the last time
        self._validator: str | None = None

    @property
    def tag(self) -> str | None:
        """The strong ETag of the file, known after the first answer."""
        return self._validator if self._validator and self._validator.startswith('"') else None

    def one(self, span: Span) -> list[Extent]:
        """Fetch at least this span; what lies beyond the end of the file is cut."""
        return self._request([span])

    def together(self, spans: Sequence[Span]) -> list[Extent] | None:
        """Fetch several spans, in order and apart, by one request.

        None where the server gives one range at a time, which one thread finds out, and for fewer than two spans.
        """
        if len(spans) < 2:
            return None
        gives_several = self._session.gives_several
        with nullcontext() if self._host in gives_several else self._session.probing:
            if not gives_several.get(self._host, True):
                return None
            try:
                found = self._request(spans)
            except _NoParts:  # what it sent instead was given up, but may have been megabytes
                found = None
            gives_several[self._host] = found is not None
            return found

    @property
    def _host(self) -> str:
        return urlsplit(self._location).netloc

    def _request(self, spans: Sequence[Span]) -> list[Extent]:
        headers = {"Range": header(spans), **({"If-Range": self.tag} if self.tag else {})}
        if self._location != self._url:
            try:
                return self._session.get(self.path, self._location, headers, lambda reply: self._take(reply, spans))
            except Unreachable as error:
                if error.status not in _ANEW:
                    raise
        return self._session.get(self.path, self._url, headers, lambda reply: self._take(reply, spans))

    def _take(self, reply: Reply, spans: Sequence[Span]) -> list[Extent]:
        if reply.status not in (200, 206, 416):
            raise refusal(self.path, reply)
        self._location = reply.url
        if reply.status == 416:
            return self._behind_the_end(reply)
        self._check_same(reply.headers.get("ETag") or reply.headers.get("Last-Modified"))
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise Unreachable(self.path, "is compressed by its server, so that no part can be read: download it first")
        if reply.status == 200:
            return self._whole(reply, spans)
        separator = boundary(reply.headers.get("Content-Type"))
        found = self._one(reply, spans) if separator is None else self._several(reply, spans, separator)
        if not covered([Span(s.start, min(s.stop, self.size or s.stop)) for s in spans], found):
            raise _NoParts if len(spans) > 1 else Broken("gives another part than was asked for")
        return found

    def _one(self, reply: Reply, spans: Sequence[Span]) -> list[Extent]:
        span, total = content_range(reply.headers.get("Content-Range"))
        self._check_size(total)
        if len(spans) > 1:
            raise _NoParts
        if span.start != spans[0].start or span.stop > spans[0].stop:
            raise Broken("gives another part than was asked for")
        return [Extent(span.start, _exactly(reply, span.stop - span.start))]

    def _several(self, reply: Reply, spans: Sequence[Span], separator: bytes) -> list[Extent]:
        limit = sum(span.stop - span.start + _FOR_PARTS for span in spans) + _FOR_PARTS
        try:
            found = list(parts(reply.body(limit), separator))
        except Broken:
            if len(spans) > 1:  # the body came whole: this is how the server writes it
                raise _NoParts from None
            raise
        for _, total in found:
            self._check_size(total)
        return [extent for extent, _ in found]

    def _whole(self, reply: Reply, spans: Sequence[Span]) -> list[Extent]:
        """The whole file, from a server without ranges, if it is not too large."""
        if len(spans) > 1:
            raise _NoParts
        claimed = reply.headers.get("Content-Length", "")
        if (int(claimed) if claimed.isdigit() else self.size or 0) > WHOLE:
            raise Unreachable(
                self.path, f"its server gives no ranges, and it is over {WHOLE:,} bytes: download it first"
            )
        content = reply.body(WHOLE + 1)
        if len(content) > WHOLE:
            raise Unreachable(
                self.path, f"its server gives no ranges, and it is over {WHOLE:,} bytes: download it first"
            )
        self._check_size(len(content))
        return [Extent(0, content)]

    def _behind_the_end(self, reply: Reply) -> list[Extent]:
        """A range that is not there: of an empty file, or of one that has become shorter."""
        if self.size is None and reply.headers.get("Content-Range", "").strip() == "bytes */0":
            self.size = 0
            return [Extent(0, b"")]
        raise self._changed()

    def _check_same(self, validator: str | None) -> None:
        if self._validator is None:
            self._validator = validator
        elif validator is not None and validator != self._validator:
            raise self._changed()

    def _check_size(self, size: int) -> None:
        if self.size is None:
            self.size = size
        elif size != self.size:
            raise self._changed()

    def _changed(self) -> Unreachable:
        return Unreachable(self.path, "changed at its server while it was read: start again")


def _exactly(reply: Reply, length: int) -> bytes:
    content = reply.body(length)
    if len(content) < length:
        raise Broken(f"breaks off after {len(content):,} of {length:,} bytes")
    return content
