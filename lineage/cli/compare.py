"""`lineage compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineage.cli import options, output
from lineage.cli.gates import code_of
from lineage.cli.progress import progress

if TYPE_CHECKING:
    from lineage.report.html import Language
    from lineage.types import CheckpointSketch, Comparison, Depth


@click.command("compare")
@click.argument("a", metavar="A", type=click.Path())
@click.argument("b", metavar="B", type=click.Path())
@click.option(
    "--explain",
    is_flag=True,
    help="Show layer maps, the changes found, the cues with their odds, every tensor pair and the null.",
)
@output.report(
    "Write the comparison as a self-contained page (.html), every matrix beside what chance gives; or the two"
    " as a graph, with any extension of `lineage graph -o` except those of statements about one model.",
)
@output.lang
@options.gate_at
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *,
    a: str,
    b: str,
    explain: bool,
    target: Path | None,
    lang: Language | None,
    gate: tuple[str, ...] | None,
    index: str | Path | None,
    reference: bool,
    depth: Depth | None,
    as_json: bool,
) -> int:
    """Say how A and B are related, component by component.

    \b
      lineage compare ./child ./base
      lineage compare ./child ./base --explain     layers, cues, tensor by tensor, with the null
      lineage compare upload.sketch 3f9a           a sketch against a model of the index, by prefix of its id
      lineage compare ./child all-MiniLM-L6-v2     or by its name
      lineage compare ./child ./base --report out.html   a page with every layer, to read and hand on; --lang ko
      lineage compare ./child/tokenizer.json ./base        their tokenizers
      lineage compare ./child ./base --gate identical,derived,partly-derived   for a pipeline

    A and B are checkpoints, .sketch files, or models of an index. If one of them is a tokenizer without weights,
    the tokenizers of both are compared, by the order of the tokens they share. The JSON always has every tensor pair.
    --gate tests what A is to B: a relation of descent counts if A is known to come from B, never if that is open (30).
    """
    from lineage import api, report

    if api.is_tokenizer(a) or api.is_tokenizer(b):
        if target is not None or gate is not None or explain:
            raise click.UsageError("a comparison of tokenizers goes to the screen or --json only")
        _tokenizers(a, b, as_json)
        return 0
    ending = output.ending_of(target, lang)
    if ending in report.graphs.UPWARD:
        raise click.UsageError(f"{target}: says what one model comes from: write it by `lineage whois A --report`")
    with progress() as watch:
        ours = api.find(a, index, reference=reference, depth=depth, watch=watch)
        theirs = api.find(b, index, reference=reference, depth=depth, watch=watch)
    found = api.compare(ours, theirs)
    limits, owed = api.not_tested(ours, theirs), api.handed_over(ours, theirs)
    if target is not None:
        _write(ours, theirs, found, target, lang or output.PAGES.get(ending))
    if as_json:
        output.print_json(report.json.comparison(ours, theirs, found, limits, owed))
    else:
        width, colour = output.screen_size()
        screen = report.terminal.compare_screen(
            ours,
            theirs,
            found,
            explain=explain,
            not_tested=limits,
            handed_over=owed,
            width=width,
            colour=colour,
        )
        click.echo(screen, nl=False)
    return 0 if gate is None else code_of(api.gate(gate, found))


def _tokenizers(a: str, b: str, as_json: bool) -> None:
    from lineage import api, report

    found = api.compare_tokenizer_files(a, b)
    if as_json:
        output.print_json(report.witness_json.tokenizer_comparison(found))
    else:
        click.echo(report.tokenizers.tokenizer_screen(found, *output.screen_size()), nl=False)


def _write(
    ours: CheckpointSketch, theirs: CheckpointSketch, found: Comparison, target: Path, page: Language | None
) -> None:
    from lineage import __version__, api, report
    from lineage.atomic_write import write_whole

    answer = api.as_answer(ours, theirs, found)
    if page is None:
        report.graphs.write(report.answered.lineage_of(answer), target)
    else:
        write_whole(target, report.html.compare_page(answer, theirs, found, __version__, page))
