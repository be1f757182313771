"""`lineage trace`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import steps


@click.command("trace")
@click.argument("model")
@options.index
@options.reference
@options.as_json
def command(*, model: str, index: str | Path | None, reference: bool, as_json: bool) -> None:
    """Show the ancestry of MODEL up to its roots.

    \b
      lineage trace nova
      lineage trace 3f9a --json

    MODEL is an id, a unique prefix of one, a name or an alias. Each step shows its relation, its figures and the
    reason for its direction; relatives whose direction is open are listed separately.
    """
    from lineage import api, report

    with steps("comparing") as watch:
        found = api.trace(model, index, reference=reference, watch=watch)
    if as_json:
        print_json(report.tree.trace_value(found))
    else:
        click.echo(report.tree.trace_screen(found, *screen_size()), nl=False)
