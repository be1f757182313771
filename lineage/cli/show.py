"""`lineage show`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size


@click.command("show")
@click.argument("model")
@options.index
@options.reference
@options.as_json
def command(*, model: str, index: str | Path | None, reference: bool, as_json: bool) -> None:
    """Show all that the index knows about MODEL.

    \b
      lineage show 3f9a
      lineage show all-MiniLM-L6-v2 --json

    MODEL is an id, a unique prefix of one, a name or an alias.
    """
    from lineage import api, report

    listed, sketch = api.show(model, index, reference=reference)
    if as_json:
        print_json(report.listing.show_value(listed.record, listed.is_reference, sketch, listed.layer))
    else:
        width, colour = screen_size()
        screen = report.listing.show_screen(
            listed.record, listed.is_reference, sketch, listed.layer, width=width, colour=colour
        )
        click.echo(screen, nl=False)
