"""`lineage graph`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import steps


@click.command("graph")
@click.argument("model", required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to write; its extension chooses the format.",
)
@click.option("--family", is_flag=True, help="All relatives of MODEL, not only its neighbours.")
@options.index
@options.reference
@options.as_json
def command(
    *, model: str | None, output: Path | None, family: bool, index: str | Path | None, reference: bool, as_json: bool
) -> None:
    """Show the ancestry of all models, or the relatives of MODEL.

    \b
      lineage graph                           families and their founders
      lineage graph -o graph.svg              a picture; .png needs the extra `picture`
      lineage graph nova -o nova.graphml      MODEL with its neighbours, for other tools
      lineage graph nova --family --json      with all its relatives
      lineage graph nova -o nova.cdx.json     MODEL and its ancestors as a bill of materials

    \b
    Formats: .svg .png .html .ko.html         pictures; a page to search in, in English or Korean
             .json .graphml .gexf .csv        for other tools
             .dot .mmd                        Graphviz, Mermaid
             .cdx.json .1.7.cdx.json          CycloneDX 1.6, 1.7
             .spdx.json .prov.json            SPDX 3.0.1, W3C PROV
             .intoto.json                     an in-toto statement, to be signed
             .card.yaml                       a patch for the card of MODEL

    MODEL is an id, a unique prefix of one, a name or an alias. Declared edges are kept apart from measured ones.
    """
    from lineage import api, report
    from lineage.report.graphs.json import document

    if family and model is None:
        raise click.UsageError("--family needs a MODEL: without one, every family is shown")
    is_statement = output is not None and report.graphs.check(output) in report.graphs.STATEMENTS
    whole = family or is_statement
    with steps("comparing") as watch:
        lineage = api.graph(model, index, reference=reference, family=whole, files=is_statement, watch=watch)
    if is_statement and not family:
        lineage = report.kinship.up_to_roots(lineage)
    if output is not None:
        report.graphs.write(lineage, output)
    if as_json:
        print_json(document(lineage))
    elif output is None:
        click.echo(report.overview.overview_screen(lineage, *screen_size()), nl=False)
    else:
        sizes = f"{len(lineage.nodes)} nodes, {len(lineage.edges)} edges"
        click.echo(f"{report.figures.plain(str(output))}: {sizes}")
