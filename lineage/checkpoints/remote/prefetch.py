"""From the bands of tensors that will be read to the ranges of files to fetch together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lineage.checkpoints.remote.file import Fetch, RemoteFile, Run
from lineage.checkpoints.remote.ranges import Span, joined
from lineage.checkpoints.remote.session import CONNECTIONS, Session
from lineage.checkpoints.remote.thrift import read_over, runs
from lineage.types import TensorView

MOST_BYTES = 4 << 20  # fetched together: what one thread holds
MOST_SPANS = 24
NEAR = 16 << 10  # ranges this close are one even where an answer may hold several


class Ahead:
    """Plans the requests for one checkpoint."""

    connections = CONNECTIONS

    def __init__(self, session: Session) -> None:
        self._session = session

    def expect(self, bands: Iterable[tuple[TensorView, int, int]]) -> None:
        """Take over which bytes the bands begin with, as far as their views tell."""
        wanted: dict[RemoteFile, list[Span]] = {}
        for view, start, stop in bands:
            for file, first, last in view.spans(start, stop):
                if isinstance(file, RemoteFile):
                    wanted.setdefault(file, []).append(Span(first, last))
        pieces = [list(_cut(joined(spans, NEAR))) for spans in wanted.values()]
        over = read_over(pieces, sum(file.size for file in wanted))
        for file, spans, short in zip(wanted, pieces, over, strict=True):
            groups = _groups(runs(spans, short, MOST_SPANS, MOST_BYTES))
            file.expect([Fetch([Run(run) for run in together]) for together in groups])

    def stop(self) -> None:
        """Give up every read that still waits."""
        self._session.stop()


def _groups(runs_of_file: Iterable[list[Span]]) -> Iterator[list[list[Span]]]:
    """Neighbouring runs, as many as fit one fetch."""
    group: list[list[Span]] = []
    count = size = 0
    for run in runs_of_file:
        length = run[-1].stop - run[0].start
        if group and (count + len(run) > MOST_SPANS or size + length > MOST_BYTES):
            yield group
            group, count, size = [], 0, 0
        group.append(run)
        count, size = count + len(run), size + length
    if group:
        yield group


def _cut(spans: Iterable[Span]) -> Iterator[Span]:
    for span in spans:
        for start in range(span.start, span.stop, MOST_BYTES):
            yield Span(start, min(start + MOST_BYTES, span.stop))
