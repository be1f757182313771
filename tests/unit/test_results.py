"""A script rewrites its own section of the results page and nothing else."""

from __future__ import annotations

import pytest
from results import table, write_section


def test_sections_are_added_and_replaced_one_by_one(tmp_path):
    page = tmp_path / "docs" / "results.md"
    write_section(page, "speed", "first")
    write_section(page, "answers", "right")
    write_section(page, "speed", "second")
    text = page.read_text()
    assert "first" not in text
    assert text.index("second") < text.index("<!-- end speed -->") < text.index("right")
    assert text.startswith("# ")


def test_prose_around_a_section_stays(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("above\n<!-- begin speed -->\nold\n<!-- end speed -->\nbelow\n")
    write_section(page, "speed", "new")
    assert page.read_text() == "above\n<!-- begin speed -->\nnew\n<!-- end speed -->\nbelow\n"


def test_a_section_that_is_not_closed_is_refused_and_the_page_kept(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("<!-- begin speed -->\nold\n")
    with pytest.raises(ValueError, match="end speed"):
        write_section(page, "speed", "new")
    assert page.read_text() == "<!-- begin speed -->\nold\n"


def test_a_table_escapes_what_would_break_it():
    assert table(["a", "b"], [["|r|", "1"]]) == "| a | b |\n| --- | --- |\n| \\|r\\| | 1 |"
