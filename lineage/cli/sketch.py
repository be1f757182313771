"""`lineage sketch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("sketch")
@click.argument("checkpoint", type=click.Path())
@click.option(
    "-o", "--output", required=True, metavar="FILE.sketch", type=click.Path(path_type=Path), help="The file to write."
)
@options.adapter
@options.depth
@options.as_json
def command(*, checkpoint: str, output: Path, adapter: str | None, depth: Depth | None, as_json: bool) -> None:
    """Write the portable sketch of CHECKPOINT, without an index.

    \b
      lineage sketch ./model -o model.sketch
      lineage whois model.sketch               anywhere, without the weights
      lineage sketch ./base --adapter ./lora -o tuned.sketch

    A sketch is small, is made locally, and can be queried like its weights (but not merged with an --adapter).
    """
    from lineage import api, report
    from lineage.sketch.sealing import seal

    if output.suffix != ".sketch":
        raise click.BadParameter("the name must end in .sketch, by which such files are recognised", param_hint="-o")
    with progress() as watch:
        made = api.sketch(checkpoint, depth, watch, adapter)
    api.save_sketch(made, output)
    size = output.stat().st_size
    if as_json:
        head = report.json.checkpoint(made)
        sketched = {"output": str(output), "output_bytes": size, "seal": seal(made), "checkpoint": head}
        print_json({"schema": "lineage/sketched/1", **sketched})
    else:
        ids = f"id {made.id}, seal {seal(made)}"
        click.echo(f"{report.figures.plain(str(output))}: {size:,} bytes, {len(made.tensors)} tensors, {ids}")
