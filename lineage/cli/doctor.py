"""`lineage doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json


@click.command("doctor")
@options.index
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, index: str | Path | None, as_json: bool) -> None:
    """Check every table and sketch of your index; changes nothing.

    \b
      lineage doctor
      lineage doctor --index DIR --json

    Exit code 1 means damage; a line for each problem says what to do. Notes, such as files that an interrupted ingest
    left behind, are harmless.
    """
    from lineage import api, report

    models, findings = api.doctor(index)
    damage = sum(finding.is_damage for finding in findings)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        print_json({"schema": "lineage/doctor/1", "models": models, "clean": damage == 0, "findings": listed})
    else:
        for finding in findings:
            kind = "damage" if finding.is_damage else "note"
            click.echo(f"{kind}: {report.figures.plain(finding.where)}: {report.figures.plain(finding.problem)}")
        click.echo(f"{models} model{'' if models == 1 else 's'}, {f'{damage} damaged' if damage else 'clean'}")
    if damage:
        ctx.exit(1)
