"""`lineage token`."""

from __future__ import annotations

from pathlib import Path

import click

from lineage.cli import options
from lineage.cli.output import print_json


@click.command("token")
@click.argument("name", required=False)
@click.option(
    "--role",
    type=click.Choice(["ask", "ingest", "administer"]),
    default="ask",
    show_default=True,
    help="ask: every question; ingest: also adding models; administer: also figures of the service.",
)
@click.option("--revoke", is_flag=True, help="Revoke the token of that name; a running service refuses it at once.")
@options.state
@options.as_json
def command(*, name: str | None, role: str, revoke: bool, state: Path | None, as_json: bool) -> None:
    """Make, list and revoke the tokens of `lineage serve`.

    \b
      lineage token                       lists the tokens
      lineage token ci --role ingest      prints a new one, only once
      lineage token ci --revoke

    Only a digest of a token is kept: whoever reads the file cannot use it. It is sent as `Authorization: Bearer TOKEN`.
    """
    from lineage.report.figures import plain
    from lineage.serve.settings import default_state
    from lineage.serve.tokens import ROLES, add_token, revoke_token, tokens

    folder = state or default_state()
    if name is None:
        if revoke:
            raise click.UsageError("--revoke needs the NAME of a token")
        listed = tokens(folder)
        if as_json:
            values = [{"name": one.name, "role": one.role, "added": one.added} for one in listed]
            print_json({"schema": "lineage/tokens/1", "tokens": values})
        for one in () if as_json else listed:
            click.echo(f"{one.role:10}  {one.added}  {plain(one.name)}")
        if not listed and not as_json:
            click.echo("no tokens: `lineage token NAME --role ask` makes one")
        return
    if not name.strip() or not name.isprintable():
        raise click.BadParameter("a name must be one line of printable characters", param_hint="NAME")
    if revoke:
        revoke_token(folder, name)
        said = {"event": "revoked", "name": name}
        line = f"revoked  {plain(name)}"
    else:
        secret = add_token(folder, name, next(one for one in ROLES if one == role))
        said = {"event": "added", "name": name, "role": role, "token": secret}
        line = secret
    if as_json:
        print_json(said, one_line=True)
    else:
        click.echo(line)
