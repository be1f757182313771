"""Joining ranges, and reading them out of an answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.remote.ranges import Extent, Span, boundary, content_range, covered, header, joined, parts
from lineage.checkpoints.remote.session import Broken

spans = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 60)).map(lambda pair: Span(pair[0], pair[0] + pair[1])), max_size=20
)


@given(spans, st.integers(0, 40))
def test_joined_spans_are_the_same_bytes_and_those_of_short_gaps(given: list[Span], gap: int) -> None:
    found = joined(given, gap)
    wanted = {at for span in given for at in range(*span)}
    got = {at for span in found for at in range(*span)}
    assert wanted <= got
    assert all(b.start - a.stop > gap for a, b in pairwise(found))
    assert len(got - wanted) <= gap * max(0, len(given) - 1)


def body(*pieces: tuple[int, bytes], border: bytes = b"xx", total: int = 1000) -> bytes:
    written = b""
    for start, content in pieces:
        head = f"Content-Type: text/plain\r\nContent-Range: bytes {start}-{start + len(content) - 1}/{total}\r\n\r\n"
        written += b"\r\n--" + border + b"\r\n" + head.encode() + content
    return written + b"\r\n--" + border + b"--\r\n"


@given(st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=90)), min_size=1, max_size=5))
def test_parts_of_an_answer_even_where_the_border_is_in_them(pieces: list[tuple[int, bytes]]) -> None:
    assert [(e.start, e.content) for e, _ in parts(body(*pieces), b"xx")] == pieces
    hidden = [(start, b"\r\n--xx--\r\n" + content) for start, content in pieces]
    assert [(e.start, e.content) for e, _ in parts(body(*hidden, total=10**6), b"xx")] == hidden


@pytest.mark.parametrize("cut", range(0, len(body((3, b"abcdef"))) - 2, 7))
def test_an_answer_that_breaks_off_is_broken(cut: int) -> None:
    with pytest.raises(Broken):
        list(parts(body((3, b"abcdef"))[:cut], b"xx"))


@pytest.mark.parametrize(
    "text", [None, "", "bytes 1-2", "bytes 5-4/9", "bytes 1-9/9", "bytes 0-1/*", "items 0-1/3", "bytes -1-2/9"]
)
def test_a_content_range_that_says_nothing_is_broken(text: str | None) -> None:
    with pytest.raises(Broken):
        content_range(text)


def test_content_range_and_header() -> None:
    assert content_range("bytes 10-19/100") == (Span(10, 20), 100)
    assert header([Span(0, 8), Span(10, 20)]) == "bytes=0-7,10-19"


def test_boundary() -> None:
    assert boundary('multipart/byteranges; boundary="a-b"') == b"a-b"
    assert boundary("Multipart/ByteRanges;boundary=THIS") == b"THIS"
    assert boundary("application/octet-stream") is None
    assert boundary(None) is None


def test_covered() -> None:
    assert covered([Span(2, 4)], [Extent(0, b"abcd")])
    assert not covered([Span(2, 5)], [Extent(0, b"abcd"), Extent(4, b"e")])
