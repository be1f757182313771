"""`lineage ingest`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.failures import code_of_failures, say
from lineage.cli.output import print_json
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.api import Ingested
    from lineage.types import Depth


@click.command("ingest")
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path())
@options.index
@options.depth
@click.option("--name", metavar="NAME", help="Name of the model; with a single PATH only.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Models sketched at a time; by default two, or with --ray one for each processor of the cluster.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Sketch on the nodes of this Ray cluster: auto, HOST:PORT or ray://HOST:PORT. They must all reach every PATH.",
)
@click.option("--catalogue", is_flag=True, help="Add the public models of the catalogue that you do not have yet.")
@click.option("--family", metavar="NAME", help="With --catalogue: only the models of this family, such as llama.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    index: str | Path | None,
    depth: Depth | None,
    name: str | None,
    workers: int | None,
    ray: str | None,
    catalogue: bool,
    family: str | None,
    as_json: bool,
) -> None:
    """Add checkpoints, or sketches of them, to your index.

    \b
      lineage ingest ./model                     a folder with its shards, config and card
      lineage ingest a.safetensors b.pt c.npz    several at once
      lineage ingest ./zoo                       a folder of models: all of them
      lineage ingest --name base-v2 out/last.pt  under a name of your choice
      lineage ingest handed-over.sketch          a sketch made elsewhere
      lineage ingest --depth sampled ./huge      reads a few percent of the bytes
      lineage ingest hf:org/name@main            read by ranges, not downloaded; so is https://host/file
      lineage ingest --catalogue --family bert   public base models, from the hub
      lineage ingest --ray auto /shared/zoo      on every node of a Ray cluster; added here

    A file that fails does not stop the others; the exit code shows that one failed (12 if all that failed were
    unsupported or damaged). Models already in the index stay unchanged, so an interrupted ingest can be repeated; the
    same values under other names, transposed or in another format are kept as another layout of their model.
    HF_ENDPOINT sets the address of the hub, HF_TOKEN a token for it. With --json, one object a line.
    """
    from lineage import api

    if catalogue == bool(paths):
        raise click.UsageError("give one PATH or more, or --catalogue")
    if family is not None and not catalogue:
        raise click.UsageError("--family goes with --catalogue")
    if name is not None and (len(paths) != 1 or not name.strip() or not name.isprintable()):
        raise click.UsageError("--name names the model of one PATH")
    failures: set[int] = set()
    with progress(in_bytes=ray is None) as watch:
        if catalogue:
            work = api.fill(index, family=family, depth=depth, workers=workers, ray=ray, watch=watch)
        else:
            work = api.ingest(paths, index, depth=depth, name=name, workers=workers, ray=ray, watch=watch)
        for done in work:
            if as_json:
                print_json({key: value for key, value in asdict(done).items() if key != "exit_code"}, one_line=True)
            else:
                tell(done)
            if done.event == "failed":
                failures.add(done.exit_code)
    if failures:
        ctx.exit(code_of_failures(failures))


def tell(done: Ingested) -> None:
    """Report in a line what happened to one model."""
    from lineage.report.figures import count, plain

    if done.error is not None:
        say(done.error)
        return
    copy = f"  a copy of {plain(done.copy_of)} in another layout" if done.copy_of is not None else ""
    unseen = "  handed over: weights not seen here" if done.weights_seen is False else ""
    line = f"{done.event:9}  {done.id or '':.12}  {plain(done.name or '')}  {count(done.params or 0)} params"
    click.echo(f"{line}{copy}{unseen}")
    if done.contradicted is not None:
        say(
            f"the sketch {done.contradicted}, which was handed over under the id of {done.name}, contradicts the"
            " weights: it was forged or damaged, and they have taken its place"
        )
