"""From the bands of tensors that will be read to the ranges of files to fetch together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lineage.checkpoints.remote.file import Fetch, Foreseen, RemoteFile, foreseeing
from lineage.checkpoints.remote.ranges import Span, joined
from lineage.checkpoints.remote.session import CONNECTIONS, Session
from lineage.checkpoints.remote.source import NEAR
from lineage.types import TensorView

MOST_BYTES = 4 << 20  # fetched together: what one thread holds
MOST_SPANS = 24


class Ahead:
    """Plans the requests for one checkpoint."""

    connections = CONNECTIONS

    def __init__(self, session: Session) -> None:
        self._session = session

    def expect(self, bands: Iterable[tuple[TensorView, int, int]]) -> None:
        """Find out which bytes the bands begin with, by a read that stops before it asks the server for any."""
        wanted: dict[RemoteFile, list[Span]] = {}
        token = foreseeing.set(True)
        try:
            for view, start, stop in bands:
                try:
                    view.rows(start, stop)
                except Foreseen as found:
                    wanted.setdefault(found.file, []).append(found.span)
        finally:
            foreseeing.reset(token)
        for file, spans in wanted.items():
            file.expect([Fetch(together) for together in _groups(joined(spans, NEAR))])

    def stop(self) -> None:
        """Give up every read that still waits."""
        self._session.stop()


def _groups(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Neighbouring spans, as many as fit one fetch; longer ones are cut."""
    group: list[Span] = []
    size = 0
    for span in _cut(spans):
        if group and (len(group) == MOST_SPANS or size + span.stop - span.start > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(span)
        size += span.stop - span.start
    if group:
        yield group


def _cut(spans: Iterable[Span]) -> Iterator[Span]:
    for span in spans:
        for start in range(span.start, span.stop, MOST_BYTES):
            yield Span(start, min(start + MOST_BYTES, span.stop))
