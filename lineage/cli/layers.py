"""`lineage layers`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json


@click.command("layers")
@click.option("--remove", metavar="NAME", help="Remove this layer.")
@options.index
@options.as_json
def command(*, remove: str | None, index: str | Path | None, as_json: bool) -> None:
    """List the indexes of others that are searched with yours.

    \b
      lineage layers
      lineage layers --json
    """
    from lineage import api
    from lineage.report.figures import plain

    if remove is not None:
        api.drop_layer(remove, index)
    listed = api.layers_of(index)
    if as_json:
        print_json({"schema": "lineage/layers/1", "layers": [asdict(one) for one in listed]})
        return
    for one in listed:
        click.echo(f"{plain(one.name)}  {one.models} models  index {one.index_id}  {one.pulled}  {plain(one.address)}")
    if not listed:
        click.echo("no layers: `lineage pull ADDRESS` adds one")
