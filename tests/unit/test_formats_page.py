"""docs/formats.md: every kind says what is tried and answered, and names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lineage.checkpoints.formats.listing import READERS
from lineage.checkpoints.plugins import OWN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for table in PAGE.split("| kind | variants | answer | tests |\n")[1:]
    for line in table.partition("\n\n")[0].splitlines()[1:]
]

READ = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("| files | reader | its own library | tests |\n")[2]
    .partition("\n\n")[0]
    .splitlines()[1:]
]


def test_every_reader_is_in_the_table_of_what_is_read() -> None:
    readers = {reader for _, reader, *_ in READ}
    assert {listed.name for listed in READERS} | {entry.attr for entry in OWN} == readers - {
        "the folder that they pack"
    }


@pytest.mark.parametrize("row", READ, ids=lambda row: row[1])
def test_what_is_read_names_tests_that_hold_it_against_its_library(row: list[str]) -> None:
    _, reader, library, tests = row
    sources = [(ROOT / place).read_text(encoding="utf-8") for place in tests.split(", ")]
    assert all("def test_" in source for source in sources)
    for name in () if library == "by hand" else library.split(", "):
        assert re.search(rf"\b{re.escape(name)}\b", "".join(sources), re.IGNORECASE), (reader, name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_kind_has_variants_an_answer_and_tests(row: list[str]) -> None:
    kind, variants, answer, tests = row
    assert kind
    assert variants
    assert answer
    for place in tests.split(", "):
        assert "def test_" in (ROOT / place).read_text(encoding="utf-8")


def variants() -> dict[str, list[str]]:
    """The variants of each kind, of all tables that have some: of one row or several, apart by commas or semicolons."""
    found: dict[str, list[str]] = {}
    for column in ("variants", "variant"):
        for table in PAGE.split(f"| kind | {column} |")[1:]:
            for line in table.partition("\n\n")[0].splitlines()[2:]:
                kind, cell = (part.strip() for part in line.strip("|").split("|")[:2])
                bare = re.sub(r"\([^)]*\)", "", cell)
                parts = [cell] if column == "variant" else re.split(r"[;,]| and (?=`)", bare)
                found.setdefault(kind, []).extend(part.strip() for part in parts if part.strip())
    return {kind: list(dict.fromkeys(parts)) for kind, parts in found.items()}


@pytest.mark.parametrize("kind", variants())
def test_every_kind_has_three_variants_at_least(kind: str) -> None:
    assert len(variants()[kind]) >= 3, variants()[kind]


def test_the_page_has_rows() -> None:
    assert len(variants()) >= 45
    assert len(ROWS) >= 15
