"""`lineage whois`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options
from lineage.cli.output import print_json, screen_size
from lineage.cli.progress import progress
from lineage.errors import UnknownEnding

if TYPE_CHECKING:
    from lineage.report.html import Language
    from lineage.types import Depth


@click.command("whois")
@click.argument("checkpoint", type=click.Path())
@click.option(
    "--report",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answer as a page that stands alone (.html), to read, print and hand on.",
)
@click.option("--lang", type=click.Choice(["en", "ko"]), default="en", help="Language of the page: English or Korean.")
@options.adapter
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *,
    checkpoint: str,
    target: Path | None,
    lang: Language,
    adapter: str | None,
    index: Path | None,
    reference: bool,
    depth: Depth | None,
    as_json: bool,
) -> None:
    """Say what CHECKPOINT descends from, component by component.

    \b
      lineage whois ./model                    a folder, a file or a .sketch
      lineage whois model.safetensors --json   for a script
      lineage whois big.pt --depth sampled     an answer from a few percent of the bytes
      lineage whois hf:org/name@main           read by ranges, not downloaded; so is https://host/file
      lineage whois ./lora                     an adapter alone: its base, what it fits, what it was merged into
      lineage whois ./base --adapter ./lora    the model that an adapter makes of its base
      lineage whois ./model --report out.html  a page with figures, their null and the graph; --lang ko

    Your index is searched and the reference index that comes with lineage. No match is a result too: it
    says how weak a relation would still have been seen. A match refutes "from scratch"; none never proves it.
    """
    from lineage import __version__, api, report
    from lineage.sketch.whole_file import write_whole

    if target is not None and target.suffix.lower() != ".html":
        raise UnknownEnding(f"{target}: a report is a page: the name must end in .html")
    with progress() as watch:
        answer = api.whois(checkpoint, index, reference=reference, depth=depth, watch=watch, adapter=adapter)
    if target is not None:
        relatives = api.relatives(answer, index, reference=reference)
        write_whole(target, report.html.whois_page(answer, __version__, relatives, lang))
    if as_json:
        print_json(report.json.whois(answer))
    else:
        click.echo(report.terminal.whois_screen(answer, *screen_size()), nl=False)
