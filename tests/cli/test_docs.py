"""README.md shows every command, and its links lead somewhere; tests/installed runs what it shows."""

from __future__ import annotations

import re

import cli_page
import pytest
import thresholds_page

from lineage.cli import COMMANDS
from tests.documents import README, ROOT, commands


def test_the_readme_shows_every_command():
    assert set(COMMANDS) <= {words[0] for words in commands(README)}


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_page_of_the_command_line_is_the_help():
    made = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert made == cli_page.page(), "the help has changed: python scripts/cli_page.py"


def test_the_page_of_thresholds_is_what_the_code_has():
    made = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")
    assert made == thresholds_page.page(), "a number or its reason has changed: python scripts/thresholds_page.py"


@pytest.mark.parametrize("room", thresholds_page.ROOMS)
def test_every_number_that_decides_an_answer_has_its_reason(room):
    found = [*thresholds_page.thresholds(room)]
    assert len(found) > 50
    assert [f"{one.module}: {one.name}" for one in found if not one.reason] == []


def test_a_number_without_a_reason_is_seen():
    lines = ["_BARE = 3", "_BESIDE: float = -0.5  # a reason", "", "# Shared.", "_ABOVE = 1 << 20", "_BELOW = (2, 4)"]
    lines[:0] = ["_ONE, _TWO = 1, 2"]
    pair, bare, beside, above, below = thresholds_page.numbers("\n".join([*lines, '"""Why."""', "_TEXT = 'no number'"]))
    assert pair == ("_ONE, _TWO", "(1, 2)", "")
    assert (bare, beside) == (("_BARE", "3", ""), ("_BESIDE", "-0.5", "a reason"))
    assert (above, below) == (("_ABOVE", "1 << 20", "Shared."), ("_BELOW", "(2, 4)", "Shared.; Why."))
