"""Which gaps are read over, and what that may cost."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.remote import thrift
from lineage.checkpoints.remote.ranges import Span
from lineage.checkpoints.remote.thrift import read_over, runs

lengths = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), max_size=25)


def laid_out(pieces: list[tuple[int, int]]) -> list[Span]:
    """Spans of those lengths with those gaps before them."""
    ends = accumulate((gap + length for length, gap in pieces))
    return [Span(end - length, end) for end, (length, _) in zip(ends, pieces, strict=True)]


def gap_behind(spans: list[Span], place: int) -> int:
    return spans[place + 1].start - spans[place].stop


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GAP": 5, "LONGEST_GAP": 40, "REQUESTS": 6, "SHARE": 0.1, "FREE": 30}.items():
        monkeypatch.setattr(thrift, name, value)


@given(st.lists(lengths, min_size=1, max_size=3), st.integers(0, 20_000))
def test_the_shortest_gaps_are_read_over_while_that_is_allowed_and_needed(
    pieces: list[list[tuple[int, int]]], size: int
) -> None:
    files = [laid_out(one) for one in pieces]
    over = read_over(files, size)
    read = sorted(gap_behind(spans, place) for spans, places in zip(files, over, strict=True) for place in places)
    every = sorted(gap_behind(spans, place) for spans in files for place in range(len(spans) - 1))
    assert read == every[: len(read)]
    wanted = sum(span.stop - span.start for spans in files for span in spans)
    left = max(30, round(0.1 * size) - wanted) - sum(read)
    assert left >= 0
    if len(read) < len(every):
        requests, shortest = sum(map(len, files)) - len(read), every[len(read)]
        assert shortest > min(left, 40) or (requests <= 6 and shortest > 5)


@given(lengths, st.data())
def test_runs_are_the_same_spans_in_order_and_within_bounds(pieces: list[tuple[int, int]], data: st.DataObject) -> None:
    spans = laid_out(pieces)
    over = data.draw(st.sets(st.integers(0, max(0, len(spans) - 2)))) if len(spans) > 1 else set()
    found = list(runs(spans, over, 4, 90))
    assert [span for run in found for span in run] == spans
    assert all(len(run) <= 4 and (len(run) == 1 or run[-1].stop - run[0].start <= 90) for run in found)
    ends = list(accumulate(len(run) for run in found))
    for run, end in zip(found, ends, strict=True):
        assert set(range(end - len(run), end - 1)) <= over
