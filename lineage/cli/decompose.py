"""`lineage decompose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.failures import say
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("decompose")
@click.argument("model", metavar="MODEL|CHECKPOINT", type=click.Path())
@click.option(
    "-o",
    "--output",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path),
    help="Write the recipe as a configuration for MergeKit; what the weights do not determine is left out and noted.",
)
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *, model: str, output: Path | None, index: str | Path | None, reference: bool, depth: Depth | None, as_json: bool
) -> int:
    """Take a merged model apart: its parents and their weights.

    \b
      lineage decompose ./soup              a folder, a file or a .sketch
      lineage decompose soup --json         a model of the index
      lineage decompose soup -o merge.yaml  the recipe, to repeat the merge with MergeKit

    All models of your index and of the reference are candidates; parents need not be named. The exit code is 0 where
    no merge is found, but 1 where -o asks for its recipe: then no file is written.
    """
    from lineage import api, report
    from lineage.atomic_write import write_whole

    if output is not None and output.suffix not in (".yaml", ".yml"):
        raise click.BadParameter("the name must end in .yaml", param_hint="-o")
    with progress() as watch:
        query = api.find(model, index, reference=reference, depth=depth, watch=watch)
    found = api.decompose(query, index, reference=reference)
    if output is not None and found is not None:
        write_whole(output, report.mergekit.configuration(query, found))
    if as_json:
        print_json(report.json.merge(query, found))
    else:
        click.echo(report.tree.merge_screen(query, found, *screen_size()), nl=False)
    if output is not None and found is None:
        say(f"{output}: not written: no merge was found, so there is no recipe")
        return 1
    return 0
