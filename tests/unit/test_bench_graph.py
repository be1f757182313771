"""The graphs that the benchmark measures have the families that its models were made in."""

from __future__ import annotations

from bench_graph import HEAD, measured, rows

from lineage.store import SqliteIndex


def test_each_family_is_one_and_the_index_is_left_as_it_was(tmp_path) -> None:
    found = list(rows(tmp_path, 20, 1))
    assert [row[2] for row in found] == ["the first", "again, with comparisons on disk", "one more model"]
    assert {len(row) for row in found} == {len(HEAD)}
    assert [row[-2] for row in found] == ["18", "18", "19"]
    assert {row[-1] for row in found} == {"0"}
    with SqliteIndex.open(tmp_path / "20-1") as index:
        assert len(index) == 20
        index.remove(index.find("m0-3").id)
    assert measured(tmp_path / "20-1", "without one", "0")[1] == 0
