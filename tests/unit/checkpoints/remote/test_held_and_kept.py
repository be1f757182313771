"""What is remembered of a remote file: in memory up to a bound, on disk until it is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.checkpoints.remote.disk_cache import DIGEST, Kept, Shelf
from lineage.checkpoints.remote.memory_cache import Held
from lineage.checkpoints.remote.ranges import Extent, Span

CONTENT = bytes(range(200))
extents = st.lists(st.tuples(st.integers(0, 199), st.integers(1, 80)), max_size=30)


@given(extents, st.integers(0, 400))
def test_memory_never_lies_and_keeps_its_bound(asked: list[tuple[int, int]], most: int) -> None:
    held = Held(most)
    for start, length in asked:
        held.add(1, Extent(start, CONTENT[start : start + length]))
        for at in range(200):
            found = held.find(1, at)
            if found is not None:
                assert found.start <= at < found.stop
                assert found.content == CONTENT[found.start : found.stop]
        assert held._size == sum(map(len, held._content.values()))
        assert held._size <= most or len(held._content) == 1
    assert held.find(2, 0) is None


@given(extents)
def test_memory_without_a_bound_knows_every_byte(asked: list[tuple[int, int]]) -> None:
    held = Held()
    for start, length in asked:
        held.add(1, Extent(start, CONTENT[start : start + length]))
    for at in {at for start, length in asked for at in range(start, min(start + length, 200))}:
        assert held.find(1, at) is not None


def test_what_was_used_last_stays() -> None:
    held = Held(20)
    held.add(1, Extent(0, b"0123456789"))
    held.add(1, Extent(50, b"0123456789"))
    held.find(1, 0)
    held.add(1, Extent(80, b"0123456789"))
    assert held.find(1, 0) is not None
    assert held.find(1, 50) is None


class TestKept:
    def test_another_process_finds_what_was_kept(self, tmp_path: Path) -> None:
        Shelf(tmp_path).kept("a").add(Extent(10, b"abc"))
        kept = Shelf(tmp_path).kept("a")
        assert kept.find(11) == Extent(10, b"abc")
        assert kept.find(13) is None
        assert kept.covers(Span(10, 13))
        assert not kept.covers(Span(10, 14))
        assert Shelf(tmp_path).kept("b").find(11) is None

    def test_damage_is_as_if_nothing_was_kept(self, tmp_path: Path) -> None:
        Shelf(tmp_path).kept("a").add(Extent(10, b"abc"))
        (path,) = [p for p in tmp_path.rglob("*") if p.is_file()]
        for damaged in (b"", path.read_bytes()[:-1], path.read_bytes()[:-1] + b"x"):
            path.write_bytes(damaged)
            kept = Shelf(tmp_path).kept("a")
            assert kept.find(10) is None
            assert not kept.covers(Span(10, 11))

    def test_a_foreign_file_in_the_folder_is_no_harm(self, tmp_path: Path) -> None:
        Shelf(tmp_path).kept("a").add(Extent(10, b"abc"))
        (folder,) = (tmp_path / "ranges").iterdir()
        (folder / "notes.txt").write_text("hello")
        Shelf(tmp_path).kept("a").add(Extent(20, b"abc"))
        kept = Shelf(tmp_path).kept("a")
        assert [kept.find(at) is not None for at in (10, 20, 30)] == [True, True, False]

    def test_the_folder_may_vanish_at_any_time(self, tmp_path: Path) -> None:
        kept = Shelf(tmp_path).kept("a")
        kept.add(Extent(10, b"abc"))
        for path in (p for p in tmp_path.rglob("*") if p.is_file()):
            path.unlink()
        assert kept.find(10) is None

    def test_a_place_that_cannot_be_written_is_no_failure(self, tmp_path: Path) -> None:
        (tmp_path / "ranges").write_text("a file, not a folder")
        kept = Shelf(tmp_path).kept("a")
        kept.add(Extent(0, b"abc"))
        assert kept.find(0) is None

    def test_the_oldest_file_goes_when_the_room_is_taken(self, tmp_path: Path) -> None:
        import os

        shelf = Shelf(tmp_path, most=3 * (DIGEST + 10))
        for number, key in enumerate("abc"):
            shelf.kept(key).add(Extent(0, b"0123456789"))
            os.utime(shelf.kept(key)._folder, (number, number))
        shelf.kept("d").add(Extent(0, b"0123456789"))
        assert [shelf.kept(key).find(0) is not None for key in "abcd"] == [False, True, True, True]

    def test_nothing_is_written_where_one_file_fills_the_room(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path, most=2 * (DIGEST + 10))
        kept = shelf.kept("a")
        for start in range(0, 50, 10):
            kept.add(Extent(start, b"0123456789"))
        assert [kept.find(at) is not None for at in range(0, 50, 10)] == [True, True, False, False, False]
        assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) <= 2 * (DIGEST + 10)


@pytest.mark.parametrize("key", ["", "../../x", "a/b", "\0", "x" * 10_000])
def test_a_key_is_never_a_path(key: str, tmp_path: Path) -> None:
    Shelf(tmp_path / "cache").kept(key).add(Extent(0, b"abc"))
    assert all(p.is_relative_to(tmp_path / "cache") for p in tmp_path.rglob("*") if p.is_file())
    assert isinstance(Shelf(tmp_path / "cache").kept(key), Kept)
