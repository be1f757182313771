#!/usr/bin/env python3
"""Writes docs/cli.md, the page of the command line, from the help that the commands carry.

    python scripts/cli_page.py

A test holds the page to the help.
"""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import COMMANDS, lineage

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# The command line

What `lineage --help` and `lineage COMMAND --help` print. This page is made by `python scripts/cli_page.py`; change the
help, not the page.
"""


def page() -> str:
    """The whole page: the group, then each command under a heading of its own."""
    group = click.Context(lineage, info_name="lineage", terminal_width=100, **lineage.context_settings)
    sections = [HEAD, _block(lineage, group)]
    for name in COMMANDS:
        command = lineage.get_command(group, name)
        assert command is not None
        context = click.Context(command, group, info_name=name, terminal_width=100)
        sections += [f"## {name}\n", _block(command, context)]
    return "\n".join(sections)


def _block(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context).strip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
