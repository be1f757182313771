"""Which gaps between ranges to read over, where every range takes a request of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lineage.checkpoints.remote.ranges import Span

GAP = 128 << 10  # bytes that cost what a request costs on a slow line: such gaps are always read over
LONGEST_GAP = 1 << 20  # ... on a fast one
REQUESTS = 560  # to which longer gaps bring a model down, with those that find and open it under 600
SHARE = 0.096  # of a model's bytes that may be read for that, with those that open it under a tenth
FREE = 16 << 20  # bytes of gaps that may be read of any model, however much of it is wanted


def read_over(files: Sequence[Sequence[Span]], size: int) -> list[set[int]]:
    """For each file the places of the spans whose gap to the next one is read over, the shortest gaps first.

    The spans of a file are in order and apart; `size` is that of all files together.
    """
    gaps = sorted(
        (after.start - before.stop, file, place)
        for file, spans in enumerate(files)
        for place, (before, after) in enumerate(pairwise(spans))
    )
    wanted = sum(span.stop - span.start for spans in files for span in spans)
    left = max(FREE, round(SHARE * size) - wanted)
    requests = sum(map(len, files))
    over: list[set[int]] = [set() for _ in files]
    for gap, file, place in gaps:
        if gap > min(left, LONGEST_GAP) or (gap > GAP and requests <= REQUESTS):
            break
        over[file].add(place)
        left -= gap
        requests -= 1
    return over


def runs(spans: Sequence[Span], over: set[int], most: int, longest: int) -> Iterator[list[Span]]:
    """Neighbours whose gaps are read over, `most` of them at a time and up to `longest` bytes from end to end."""
    run: list[Span] = []
    for place, span in enumerate(spans):
        joins = place - 1 in over and len(run) < most and span.stop - run[0].start <= longest
        if run and not joins:
            yield run
            run = []
        run.append(span)
    if run:
        yield run
