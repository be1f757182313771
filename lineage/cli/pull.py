"""`lineage pull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json
from lineage.cli.progress import steps

if TYPE_CHECKING:
    from lineage.store.layers import Pulled


@click.command("pull")
@click.argument("address", required=False)
@click.option("--name", metavar="NAME", help="Name of the layer; by default the last part of the address.")
@click.option(
    "--key",
    metavar="KEY.pem",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The public Ed25519 key that verifies its signature, now and at each update. Needs the extra `sign`.",
)
@options.index
@options.as_json
def command(
    *, address: str | None, name: str | None, key: Path | None, index: str | Path | None, as_json: bool
) -> None:
    """Search an index of somebody else with your own.

    \b
      lineage pull ./published                     a folder that `lineage export` wrote
      lineage pull https://host/lineage            the same from a web server
      lineage pull hf:datasets/org/name            or from a data set of the hub
      lineage pull                                 update every layer: only what changed is fetched

    It is kept as a read-only layer: `lineage layers` lists them. Each file is checked against the manifest, each
    sketch is read in full; one that does not match is refused, and the layer stays as it was.
    """
    from lineage import api

    if address is None and (name is not None or key is not None):
        raise click.UsageError("--name and --key go with an ADDRESS")
    wanted = [(address, name)] if address is not None else [(one.address, one.name) for one in api.layers_of(index)]
    for place, called in wanted:
        with steps("fetching") as watch:
            done = api.pull(place, index, name=called, key=key, watch=watch)
        _tell(done, as_json)
    if not wanted and not as_json:
        click.echo("no layers yet: `lineage pull ADDRESS` adds one")


def _tell(done: Pulled, as_json: bool) -> None:
    from lineage.report.figures import plain

    layer = done.layer
    if as_json:
        said = {"name": layer.name, "address": layer.address, "index_id": layer.index_id, "models": layer.models}
        fetched = {"files": done.files, "fetched": done.fetched, "fetched_bytes": done.fetched_bytes}
        print_json({"event": "pulled", **said, **fetched}, one_line=True)
    else:
        fetched_of = f"{done.fetched} of {done.files} files fetched, {done.fetched_bytes:,} bytes"
        click.echo(f"{plain(layer.name)}: {layer.models} models, index {layer.index_id}; {fetched_of}")
