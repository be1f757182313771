"""`lineage serve`."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click

from lineage.cli import options
from lineage.errors import MissingExtra


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8350, show_default=True, help="Port; 0 for a free one.")
@options.state
@click.option(
    "--models",
    "folders",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder whose checkpoints can be queried by path; may be given several times.",
)
@click.option(
    "--settings",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file with limits and who may ask questions: see docs/serve.md.",
)
@options.index
@options.reference
def command(
    *,
    host: str,
    port: int,
    state: Path | None,
    folders: tuple[Path, ...],
    file: Path | None,
    index: str | Path | None,
    reference: bool,
) -> None:
    """Answer questions over HTTP, and on a web page.

    \b
      lineage serve                            for yourself: http://127.0.0.1:8350
      lineage serve --models ./zoo             and about checkpoints below a folder
      lineage serve --settings service.toml    with limits of your own

    On the loopback interface anyone may ask; elsewhere, and to add models, a token is needed: `lineage token`.
    Accepted work is kept on disk and survives a restart. Needs the extra `serve`.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtra("the service needs an optional part: pip install 'weight-lineage[serve]'")
    from lineage.serve.running import run
    from lineage.serve.settings import Settings, default_state, with_file

    settings = Settings(state or default_state(), index, reference, host, port)
    settings = settings if file is None else with_file(settings, file)
    run(
        replace(settings, folders=(*folders, *settings.folders)),
        lambda address: click.echo(f"lineage serves {address}"),
    )
