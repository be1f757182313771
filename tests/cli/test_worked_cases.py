"""docs/worked-cases.md shows what its commands print: its script is run on the page without their output."""

from __future__ import annotations

import re

import pytest
import worked_cases
from zoo.recipes import recipes, with_ancestors

from lineage.sketch import read_sketch
from tests.documents import ROOT, commands

PAGE = (ROOT / "docs" / "worked-cases.md").read_text(encoding="utf-8")
OUTPUT = re.compile(r"(?<=^```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
SECTION = re.compile(r"(?<=^<!-- begin )([^>]*) -->\n.*?(?=^<!-- end)", re.DOTALL | re.MULTILINE)


def test_the_page_is_what_its_commands_print_and_the_picture_can_be_drawn(tmp_path):
    bare = SECTION.sub(r"\1 -->\n", OUTPUT.sub("", PAGE))
    assert len(PAGE) - len(bare) > 3000
    page = tmp_path / "page.md"
    page.write_text(bare, encoding="utf-8")
    figures = worked_cases.write_page(page)
    assert page.read_text(encoding="utf-8") == PAGE
    worked_cases.draw(figures, tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_of_the_page_is_one_that_the_script_runs():
    lines = [line for block in worked_cases.SHELL.finditer(PAGE) for line in block["lines"].splitlines()]
    assert len(lines) == len(commands(PAGE)) >= 10
    assert all(line.startswith("lineage ") for line in lines)


def test_a_command_that_fails_stops_the_script_and_says_which(tmp_path):
    with pytest.raises(SystemExit, match=r"lineage whois missing\.sketch"):
        worked_cases.command(["whois", "missing.sketch", "--index", "index"], tmp_path)


def test_the_cases_are_what_the_page_says_they_are():
    made = recipes()
    line = with_ancestors(iter([worked_cases.MADE_AS[worked_cases.REUSER]]), made).values()
    assert [(one.parents[1], one.args["pattern"]) for one in line if one.operator == "grafted"] == [
        (worked_cases.SOURCE, "^vision_tower")
    ]
    one, other = (with_ancestors(iter([name]), made) for name in worked_cases.TWINS)
    assert not set(one) & set(other)
    assert made[worked_cases.TWINS[0]].args == made[worked_cases.TWINS[1]].args
    for name in worked_cases.MADE_AS:
        assert read_sketch(ROOT / worked_cases.CASES / f"{name}.sketch").name == name


def test_unrelated_pairs_have_no_common_ancestor_and_one_architecture():
    carried = worked_cases.sketches()
    pairs = set(map(frozenset, worked_cases.unrelated_pairs(carried)))
    assert frozenset(worked_cases.TWINS) in pairs
    assert frozenset({worked_cases.REUSER, worked_cases.SOURCE}) not in pairs
    assert frozenset({"gpt2-0-prose", "gpt2-0-code"}) not in pairs  # one initialisation
    assert not any(len({carried[name].architecture for name in pair}) > 1 for pair in pairs)


def test_the_page_accuses_no_one_and_certifies_nothing():
    assert not re.search(r"stol|theft|thie(f|v)|plagiar|cheat|accus|fraud|certif", OUTPUT.sub("", PAGE), re.IGNORECASE)


def test_the_links_of_the_page_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / "docs" / link).exists()] == []
