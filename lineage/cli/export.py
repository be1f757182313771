"""`lineage export`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--sign",
    "key",
    metavar="KEY.pem",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Sign the manifest with this Ed25519 key. Needs the extra `sign`.",
)
@options.index
@options.as_json
def command(*, folder: Path, key: Path | None, index: str | Path | None, as_json: bool) -> None:
    """Write your index as a folder that others can pull.

    \b
      lineage export ./published           sketches, records, and a manifest with the SHA-256 of each file

    Put the folder on a web server, into a data set of a hub, or on a disk. Weights and paths of this machine are
    not exported; a sketch does reveal some values of its model: export only what may be public. Writing to the same
    folder again updates what has changed.
    """
    from lineage import api
    from lineage.report.figures import plain

    done = api.export(folder, index, key=key)
    if as_json:
        said = {"output": str(folder), "index_id": done.index_id, "models": done.models, "files": len(done.files)}
        print_json({"schema": "lineage/exported/1", **said, "bytes": done.total})
    else:
        sizes = f"{done.models} models, {len(done.files)} files, {done.total:,} bytes"
        click.echo(f"{plain(str(folder))}: {sizes}, index {done.index_id}")
