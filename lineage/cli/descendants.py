"""`lineage descendants`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress, steps

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("descendants")
@click.argument("model", metavar="MODEL|CHECKPOINT", type=click.Path())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write them as a graph too; any extension of `lineage graph -o` except those of statements about MODEL alone.",
)
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *, model: str, output: Path | None, index: str | Path | None, reference: bool, depth: Depth | None, as_json: bool
) -> None:
    """Show which known models come from MODEL.

    \b
      lineage descendants base                by generation, with the path and its probability
      lineage descendants ./base --json       a checkpoint or .sketch, which need not be in an index
      lineage descendants base -o below.svg   as a picture, or for other tools

    Only measured descent with a known direction counts. Models related without a direction, and models related only by
    a card, are listed separately. Models that are in no index do not appear. The exit code is 0 even if there are none.
    """
    from lineage import api, report

    if output is not None and report.graphs.check(output) in report.graphs.UPWARD:
        raise click.UsageError(f"{output}: says what its model comes from: write it by `lineage graph MODEL -o`")
    with progress() as watch:
        query = api.find(model, index, reference=reference, depth=depth, watch=watch)
    with steps("comparing") as told:
        found = api.descendants(query, index, reference=reference, watch=told)
    if output is not None:
        report.graphs.write(report.descendants.lineage_below(found), output)
    if as_json:
        print_json(report.descendants.descendants_value(found))
    else:
        click.echo(report.descendants.descendants_screen(found, *screen_size()), nl=False)
