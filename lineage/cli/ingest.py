"""`lineage ingest`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.failures import say
from lineage.cli.output import print_json
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.api import Ingested
    from lineage.types import Depth


@click.command("ingest")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@options.index
@options.depth
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Files sketched at a time.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context, *, paths: tuple[str, ...], index: Path | None, depth: Depth, workers: int, as_json: bool
) -> None:
    """Add checkpoints, or sketches of them, to your index.

    \b
      lineage ingest ./model                     a folder with its shards, config and card
      lineage ingest a.safetensors b.pt c.npz    several at once
      lineage ingest handed-over.sketch          a sketch that someone else made
      lineage ingest --depth sampled ./huge      reads a few percent of the bytes

    A file that fails never stops the others; the exit code tells that there was one (12 if all of them were
    unsupported or damaged). What is there already stays unchanged, so an interrupted ingest can be repeated.
    With --json, one object a line.
    """
    from lineage import api

    failures: set[int] = set()
    with progress() as watch:
        for done in api.ingest(paths, index, depth=depth, workers=workers, watch=watch):
            if as_json:
                print_json({key: value for key, value in asdict(done).items() if key != "exit_code"}, one_line=True)
            else:
                _tell(done)
            if done.event == "failed":
                failures.add(done.exit_code)
    if failures:
        ctx.exit(failures.pop() if len(failures) == 1 else 1)


def _tell(done: Ingested) -> None:
    from lineage.report.words import count, plain

    if done.error is not None:
        say(done.error)
        return
    click.echo(f"{done.event:9}  {done.id or '':.12}  {plain(done.name or '')}  {count(done.params or 0)} params")
