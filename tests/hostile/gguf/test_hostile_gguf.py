"""GGUF files that someone made to hurt: each is refused with one clear line, before memory is taken."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, Truncated, UnsupportedDtype, UnsupportedFormat
from tests.checkpoint_files import whole
from tests.gguf_files import F32, Q8_0, big_endian, gguf_bytes, line, text, value
from tests.memory import within

ONES = np.ones(8, np.float32)
HUGE = 1 << 62


def header(*parts: bytes, tensors: int = 0, entries: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries) + b"".join(parts)


def info(name: bytes, shape: tuple[int, ...], code: int = F32, offset: int = 0) -> bytes:
    sides = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
    return text(name) + sides + struct.pack("<IQ", code, offset)


def array(of: int, count: int) -> bytes:
    return struct.pack("<IIQ", 9, of, count)


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "a quintillion tensors": (
        header(tensors=HUGE) + bytes(999), Malformed, "claims 4,611,686,018,427,387,904 tensors, more than 262,144",
    ),
    "more tensors than bytes": (header(tensors=1 << 18) + bytes(999), Truncated, "header promises 6,291,"),
    "a quintillion entries": (header(entries=HUGE) + bytes(999), Malformed, "metadata entries, more than 65,536"),
    "more entries than bytes": (header(entries=1 << 16) + bytes(999), Truncated, "header promises"),
    "a key without end": (header(struct.pack("<Q", HUGE), entries=1) + bytes(99), Truncated, "header promises"),
    "a text without end": (
        header(text("a") + struct.pack("<IQ", 8, HUGE), entries=1) + bytes(99), Truncated, "header promises",
    ),
    "a list without end": (header(text("a") + array(4, HUGE), entries=1) + bytes(99), Truncated, "header promises"),
    "a list of texts without end": (
        header(text("a") + array(8, 1 << 40), entries=1) + bytes(99), Truncated, "promises"
    ),
    "a list of lists without end": (
        header(text("a") + array(9, 1 << 40), entries=1) + bytes(99), Truncated, "promises"
    ),
    "lists in lists in lists": (
        header(text("a") + array(9, 1) + struct.pack("<IQ", 9, 1) * 40, entries=1) + bytes(999),
        Malformed, "lists too deep",
    ),
    "a type that is none": (header(text("a") + struct.pack("<IQ", 99, 0), entries=1), Malformed, "type 99"),
    "a key twice": (header((text("a") + value(1)) * 2, entries=2), Malformed, "key 'a' appears twice"),
    "a key of no UTF-8": (header(text(b"\xff\xfe") + value(1), entries=1), Malformed, "not UTF-8"),
    "a tensor twice": (gguf_bytes([line("w", ONES), line("w", ONES)]), Malformed, "'w' appears twice"),
    "a name that clears the screen": (gguf_bytes([line("\x1b[2J", ONES)]), Malformed, "control characters"),
    "a name of a kilobyte": (gguf_bytes([line("w" * 1025, ONES)]), Malformed, "too long"),
    "a billion dimensions": (
        header(text("w") + struct.pack("<I", 1 << 30), tensors=1) + bytes(99), Malformed, "1,073,741,824 dimensions",
    ),
    "a shape that overflows": (header(info(b"w", (1 << 40, 1 << 40)), tensors=1) + bytes(99), Malformed, "overflows"),
    "a shape beyond the file": (header(info(b"w", (1 << 40,)), tensors=1) + bytes(99), Truncated, "header promises"),
    "negative sides": (header(info(b"w", ((1 << 64) - 4,)), tensors=1) + bytes(99), Malformed, "overflows"),
    "no elements": (header(info(b"w", (4, 0)), tensors=1) + bytes(99), Malformed, "has no elements"),
    "an unknown type": (header(info(b"w", (4,), 77), tensors=1) + bytes(99), UnsupportedDtype, "ggml type 77"),
    "part of a block": (header(info(b"w", (4, 33), Q8_0), tensors=1) + bytes(999), Malformed, "not a multiple of"),
    "a scalar of blocks": (header(info(b"w", (), Q8_0), tensors=1) + bytes(999), Malformed, "not a multiple of"),
    "an offset beyond the file": (
        gguf_bytes([line("w", ONES)], offsets=[1 << 40]), Malformed, "leaves a hole of 1,099,511,627,776 bytes",
    ),
    "an offset near the end of numbers": (
        gguf_bytes([line("w", ONES)], offsets=[(1 << 64) - 32]), Malformed, "leaves a hole",
    ),
    "tensors upon each other": (
        gguf_bytes([line("v", ONES), line("w", ONES)], offsets=[0, 0]), Malformed, "'w' overlaps the one before it",
    ),
    "a tensor at an odd place": (
        gguf_bytes([("v", (1,), 24, b"1"), line("w", ONES)], offsets=[0, 8]), Malformed, "'w' is not aligned to 32",
    ),
    "a hole": (gguf_bytes([line("v", ONES), line("w", ONES)], offsets=[0, 96]), Malformed, "leaves a hole of 64 bytes"),
    "a second file behind": (gguf_bytes([line("w", ONES)]) + b"PK\3\4" * 9, Malformed, "36 unexpected bytes after"),
    "no alignment": (gguf_bytes([line("w", ONES)], {"general.alignment": 0}), Malformed, "'0' is not a power"),
    "an alignment of three": (gguf_bytes([line("w", ONES)], {"general.alignment": 3}), Malformed, "not a power of two"),
    "an alignment of words": (gguf_bytes([line("w", ONES)], {"general.alignment": "x"}), Malformed, "not a power of"),
    "an alignment of a gigabyte": (gguf_bytes([line("w", ONES)], {"general.alignment": 1 << 30}), Malformed, "65,536"),
    "version 1": (gguf_bytes([line("w", ONES)], version=1), UnsupportedFormat, "is GGUF version 1"),
    "version 9": (gguf_bytes([line("w", ONES)], version=9), UnsupportedFormat, "is GGUF version 9"),
    "big-endian numbers, little-endian counts": (
        gguf_bytes([line("w", ONES)], version=3 << 24), Malformed, "claims 72,057,594,037,927,936 tensors",
    ),
    "big-endian and cut": (big_endian(gguf_bytes([line("w", ONES)]))[:60], Truncated, "header promises"),
    "big-endian, of a version that there is not": (
        gguf_bytes([line("w", ONES)], version=9 << 24), UnsupportedFormat, "is GGUF version 9",
    ),
    "big-endian blocks that no program turns": (
        big_endian(gguf_bytes([("w", (1, 256), 16, bytes(66))])), UnsupportedDtype, "big-endian IQ2_XXS blocks",
    ),
    "nothing but the magic": (b"GGUF", Truncated, "header promises 8 bytes, the file has 4"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_refused_in_one_line(content: bytes, kind: type[CheckpointError], said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.gguf"
    path.write_bytes(content)
    with within(50_000), pytest.raises(kind, match=said) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()


def test_metadata_that_fills_gigabytes_is_passed_over_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.gguf"
    with path.open("wb") as file:
        file.write(header(text("a") + array(0, 1 << 33), entries=1))
        file.truncate(1 << 34)  # a hole on disk
    with within(50_000), pytest.raises(Malformed, match=r"its header claims .* crafted to fill memory"):
        open_checkpoint(path)


@pytest.mark.parametrize("of", [8, 9])
def test_a_list_of_a_hundred_million_nothings_does_not_hold_us_up(of: int, tmp_path: Path) -> None:
    path = tmp_path / "net.gguf"
    with path.open("wb") as file:
        file.write(header(text("a") + array(of, 1 << 23), entries=1))
        file.truncate(1 << 28)
    with pytest.raises(Malformed, match="lists of more than"):
        open_checkpoint(path)


@pytest.mark.parametrize("heads", [0, 3, -1, 1 << 31, "four", [4], [4, 0], [], 4.0, True], ids=repr)
def test_head_counts_that_fit_nothing_move_no_rows(heads: object, tmp_path: Path) -> None:
    matrix = np.arange(10 * 4, dtype=np.float32).reshape(10, 4)
    metadata = {"general.architecture": "llama"}
    if heads != []:
        metadata["llama.attention.head_count"] = heads  # type: ignore[assignment]
    path = tmp_path / "net.gguf"
    path.write_bytes(gguf_bytes([line("blk.1.attn_q.weight", matrix)], metadata))
    [found] = whole(open_checkpoint(path)).values()
    assert np.array_equal(found, matrix)


def test_names_with_numbers_without_end_stay_as_they_are(tmp_path: Path) -> None:
    name = f"blk.{'9' * 900}.attn_q.weight"
    path = tmp_path / "net.gguf"
    path.write_bytes(
        gguf_bytes([line(name, ONES)], {"general.architecture": "llama", "llama.attention.head_count": [4]})
    )
    assert [view.name.endswith("weight") for view in open_checkpoint(path).tensors] == [True]


texts = st.binary(max_size=12).map(text)
numbers = st.integers(0, (1 << 64) - 1) | st.integers(0, 40)
values = st.one_of(
    texts.map(lambda raw: struct.pack("<I", 8) + raw),
    st.tuples(st.integers(0, 14), numbers).map(lambda pair: struct.pack("<IQ", *pair)),
    st.tuples(st.integers(0, 14), numbers, st.binary(max_size=30)).map(lambda t: struct.pack("<IIQ", 9, *t[:2]) + t[2]),
)
entries = st.lists(st.tuples(texts, values).map(b"".join), max_size=4)
infos = st.lists(
    st.tuples(texts, st.lists(numbers, max_size=4), st.integers(0, 45), numbers).map(
        lambda t: t[0] + struct.pack(f"<I{len(t[1])}Q", len(t[1]), *t[1]) + struct.pack("<IQ", *t[2:])
    ),
    max_size=4,
)


@given(entries=entries, infos=infos, lie=st.none() | st.tuples(numbers, numbers), rest=st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_header_at_all(
    entries: list[bytes],
    infos: list[bytes],
    lie: tuple[int, int] | None,
    rest: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    tensors, count = lie or (len(infos), len(entries))
    path.write_bytes(header(*entries, *infos, tensors=tensors, entries=count) + rest)
    assert opens_or_is_refused(lambda: whole(open_checkpoint(path)))


def opens_or_is_refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except CheckpointError as error:
        return str(error).isprintable()
    return True
