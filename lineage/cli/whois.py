"""`lineage whois`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("whois")
@click.argument("checkpoint", type=click.Path())
@options.index
@options.reference
@options.depth
@options.as_json
def command(*, checkpoint: str, index: Path | None, reference: bool, depth: Depth | None, as_json: bool) -> None:
    """Say what CHECKPOINT descends from, component by component.

    \b
      lineage whois ./model                    a folder, a file or a .sketch
      lineage whois model.safetensors --json   for a script
      lineage whois big.pt --depth sampled     an answer from a few percent of the bytes
      lineage whois hf:org/name@main           read by ranges, not downloaded; so is https://host/file

    Your index is searched and the reference index that comes with lineage. No match is a result too: it
    says how weak a relation would still have been seen. A match refutes "from scratch"; none never proves it.
    """
    from lineage import api, report

    with progress() as watch:
        answer = api.whois(checkpoint, index, reference=reference, depth=depth, watch=watch)
    if as_json:
        print_json(report.json.whois(answer))
    else:
        click.echo(report.terminal.whois_screen(answer, *screen_size()), nl=False)
