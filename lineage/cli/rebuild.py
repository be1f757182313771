"""`lineage rebuild`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.failures import say
from lineage.cli.output import print_json


@click.command("rebuild")
@options.index
@options.as_json
def command(*, index: str | Path | None, as_json: bool) -> None:
    """Rebuild the tables of your index from its sketches.

    \b
      lineage rebuild
      lineage rebuild --index DIR

    Only the sketch files are read; a database that is damaged beyond reading is set aside.
    """
    from lineage import api

    rebuilt = api.rebuild(index)
    if as_json:
        print_json({"schema": "lineage/rebuild/1", **asdict(rebuilt)})
        return
    for _, reason in rebuilt.left_out:
        say(f"left out: {reason}")
    click.echo(f"{rebuilt.models} model{'' if rebuilt.models == 1 else 's'} in the index")
