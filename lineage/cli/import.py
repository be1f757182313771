"""`lineage import`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json
from lineage.cli.progress import steps


@click.command("import")
@click.argument("address")
@options.index
@options.as_json
def command(*, address: str, index: str | Path | None, as_json: bool) -> None:
    """Take the models of an exported index into your own.

    \b
      lineage import ./published           or an address, as `lineage pull` takes it

    Models that are already there stay as they are. With --json, one object a line, as `lineage ingest` prints them.
    """
    from dataclasses import asdict

    from lineage import api
    from lineage.report.figures import plain

    with steps("fetching") as watch:
        for done in api.import_index(address, index, watch=watch):
            if as_json:
                print_json({key: value for key, value in asdict(done).items() if key != "exit_code"}, one_line=True)
            else:
                click.echo(f"{done.event:9}  {done.id or '':.12}  {plain(done.name or '')}")
