"""`lineage decompose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("decompose")
@click.argument("model", metavar="MODEL|CHECKPOINT", type=click.Path())
@options.index
@options.reference
@options.depth
@options.as_json
def command(*, model: str, index: Path | None, reference: bool, depth: Depth | None, as_json: bool) -> None:
    """Take a merged model apart: its parents and their weights.

    \b
      lineage decompose ./soup              a folder, a file or a .sketch
      lineage decompose soup --json         a model of the index

    No parent has to be named: all models of your index and of the reference are candidates.
    """
    from lineage import api, report

    with progress() as watch:
        query = api.find(model, index, reference=reference, depth=depth, watch=watch)
    found = api.decompose(query, index, reference=reference)
    if as_json:
        print_json(report.json.merge(query, found))
    else:
        click.echo(report.tree.merge_screen(query, found, *screen_size()), nl=False)
