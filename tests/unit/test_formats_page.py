"""docs/formats.md: every kind says what is tried and answered, and names tests that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for table in PAGE.split("| kind | variants | answer | tests |\n")[1:]
    for line in table.partition("\n\n")[0].splitlines()[1:]
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_kind_has_variants_an_answer_and_tests(row: list[str]) -> None:
    kind, variants, answer, tests = row
    assert kind
    assert variants
    assert answer
    for place in tests.split(", "):
        assert "def test_" in (ROOT / place).read_text(encoding="utf-8")


def test_the_page_has_rows() -> None:
    assert len(ROWS) >= 15
