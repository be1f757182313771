"""`lineage list`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size


@click.command("list")
@options.index
@options.reference
@options.as_json
def command(*, index: str | Path | None, reference: bool, as_json: bool) -> None:
    """List the models that a search covers, yours first.

    \b
      lineage list
      lineage list --no-reference --json
    """
    from lineage import api, report

    listed = [(one.record, one.is_reference, one.layer) for one in api.models(index, reference=reference)]
    if as_json:
        print_json(report.listing.list_value(listed))
    else:
        click.echo(report.listing.list_screen(listed, *screen_size()), nl=False)
