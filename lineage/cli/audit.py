"""`lineage audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.gates import code_of
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress, steps

if TYPE_CHECKING:
    from lineage.policy import Policy
    from lineage.types import Depth


@click.command("audit")
@click.argument("model", type=click.Path())
@click.option(
    "--policy",
    required=True,
    type=click.Choice(["licence", "from-scratch", "t-class"]),
    help="licence: what the licences of all ancestors require; from-scratch: what was inherited; t-class: the highest"
    " level of T-Class 2.0 that it can have.",
)
@click.option(
    "--rules",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with rules and licences of your own, in addition to those that come with lineage.",
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
    policy: Policy,
    rules: Path | None,
    sarif: Path | None,
    gate: bool,
    index: str | Path | None,
    reference: bool,
    depth: Depth | None,
    as_json: bool,
) -> int:
    """Check MODEL against a policy.

    \b
      lineage audit ./nova --policy licence
      lineage audit ./nova --policy from-scratch --gate
      lineage audit nova --policy t-class --json
      lineage audit ./nova --policy licence --rules ours.toml
      lineage audit ./nova --policy licence --sarif licence.sarif   for a code host

    MODEL is a checkpoint, a .sketch file, or a model of an index. With --gate the exit code is 20 if the policy is
    violated, 30 if that stays open. Only measured descent with a known direction violates a policy; descent that is
    undirected or only declared is possible. A finding is not legal advice, and it never certifies anything.
    """
    from lineage import api, report
    from lineage.atomic_write import write_whole

    extra = None if rules is None else api.read_rules(rules, policy)
    with progress() as watch:
        query = api.find(model, index, reference=reference, depth=depth, watch=watch)
    with steps("comparing") as told:
        found = api.audit(query, policy, index, reference=reference, rules=extra, place=model, watch=told)
    if sarif is not None:
        write_whole(sarif, report.sarif.audit_log(found, model))
    if as_json:
        print_json(report.audit.audit_value(found))
    else:
        click.echo(report.audit.audit_screen(found, *screen_size()), nl=False)
    return code_of(found.verdict) if gate else 0
