"""`lineage watch`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.ingest import tell
from lineage.cli.output import print_json

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("watch")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(0.05, 86_400),
    default=10.0,
    show_default=True,
    help="Time between two scans of the folder.",
)
@click.option("--once", is_flag=True, help="Stop once everything that is there has been added.")
@options.index
@options.depth
@options.as_json
def command(
    *, folder: Path, every: float, once: bool, index: str | Path | None, depth: Depth | None, as_json: bool
) -> None:
    """Add the models that appear in FOLDER to your index.

    \b
      lineage watch ./zoo --once --every 1       what is there now, then stop

    It runs until it is interrupted. A file in FOLDER is a model by itself, a folder in it is taken as `lineage ingest`
    takes one. A model is added once two scans find its files unchanged, so that one still being copied waits, and
    again when they change. With --json, one object a line, as `lineage ingest` prints them.
    """
    from lineage import api

    pace = api.Pace(every, once)
    for done in api.watch_folder(folder, index, depth=depth, pace=pace):
        if as_json:
            print_json({key: value for key, value in asdict(done).items() if key != "exit_code"}, one_line=True)
        else:
            tell(done)
