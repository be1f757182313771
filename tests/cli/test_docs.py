"""README.md shows every command, and its links lead somewhere; tests/installed runs what it shows."""

from __future__ import annotations

import re

import cli_page
import pytest

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
