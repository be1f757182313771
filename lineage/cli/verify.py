"""`lineage verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.gates import CONTRADICTED, INCONCLUSIVE
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress, steps

if TYPE_CHECKING:
    from lineage.types import Depth


@click.command("verify")
@click.argument("model", type=click.Path())
@click.option(
    "--claims",
    required=True,
    metavar="CARD",
    type=click.Path(path_type=Path),
    help="A model card (README.md), a folder that has one, or a .toml or .json file of claims.",
)
@options.sarif
@options.gate
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *,
    model: str,
    claims: Path,
    sarif: Path | None,
    gate: bool,
    index: str | Path | None,
    reference: bool,
    depth: Depth | None,
    as_json: bool,
) -> int:
    """Check what CARD claims about MODEL against its weights.

    \b
      lineage verify ./nova --claims ./nova/README.md
      lineage verify nova.sketch --claims claims.toml --gate
      lineage verify nova --claims ./nova --json
      lineage verify ./nova --claims ./nova --sarif claims.sarif   for a code host

    It reads base_model, base_model_relation, license, and plain statements on training from scratch, a tokenizer of its
    own, the number of parameters and quantisation. Each is consistent, contradicted (on strong evidence only) or
    unsupported. With --gate the exit code is 21 if a claim is contradicted, else 30 if one is unsupported or none was
    found.
    """
    from lineage import api, report
    from lineage.atomic_write import write_whole

    with progress() as watch:
        query = api.find(model, index, reference=reference, depth=depth, watch=watch)
    with steps("comparing") as told:
        found = api.verify(query, claims, index, reference=reference, watch=told)
    if sarif is not None:
        card = claims / "README.md" if claims.is_dir() else claims
        write_whole(sarif, report.sarif.claims_log(found, str(card)))
    if as_json:
        print_json(report.claims.verification_value(found))
    else:
        click.echo(report.claims.verification_screen(found, *screen_size()), nl=False)
    outcomes = {one.outcome for one in found.checked}
    if not gate:
        return 0
    return CONTRADICTED if "contradicted" in outcomes else 0 if outcomes == {"consistent"} else INCONCLUSIVE
