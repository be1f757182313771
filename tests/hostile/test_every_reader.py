"""Every reader has attack files, and README.md says where they are and what happens to them."""

from __future__ import annotations

from pathlib import Path

from lineage.checkpoints.formats.listing import READERS
from lineage.checkpoints.plugins import OWN

HERE = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
][1:]


def test_every_reader_has_a_row() -> None:
    listed = {name for reader, *_ in ROWS for name in reader.split(", ")}
    assert {reader.name for reader in READERS} | {entry.attr for entry in OWN} <= listed


def test_every_row_names_tests_that_are_there() -> None:
    for reader, tests, tried, happens in ROWS:
        assert tried
        assert happens
        for place in tests.split(", "):
            assert list((HERE / place).glob("test_*.py")) or (HERE / place).is_file(), f"{reader}: {place}"
