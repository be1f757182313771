"""`lineage remove`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json


@click.command("remove")
@click.argument("model")
@options.index
@options.as_json
def command(*, model: str, index: str | Path | None, as_json: bool) -> None:
    """Remove MODEL from your index.

    \b
      lineage remove 3f9a

    MODEL is an id, a unique prefix of one, a name or an alias. The checkpoint is never touched; ingest it
    again to have the model back.
    """
    from lineage import api, report

    gone = api.remove(model, index)
    if as_json:
        print_json({"event": "removed", "id": gone.id, "name": gone.name}, one_line=True)
    else:
        click.echo(f"removed  {gone.id:.12}  {report.figures.plain(gone.name)}")
