"""`lineage mcp`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from lineage.cli import options
from lineage.errors import MissingExtra


@click.command("mcp")
@options.index
@options.reference
def command(*, index: str | Path | None, reference: bool) -> None:
    """Answer an agent over standard input and output (MCP).

    \b
      lineage mcp                   whois, compare, audit, verify, trace and more as tools
      lineage mcp --index DIR

    The agent starts this itself: give it the command. `lineage serve` has the same tools at /mcp for agents
    elsewhere. Needs the extra `mcp`.
    """
    if find_spec("mcp") is None:
        raise MissingExtra("tools for agents need an optional part: pip install 'weight-lineage[mcp]'")
    from lineage.serve.agents import run_over_stdio

    run_over_stdio(index, reference)
