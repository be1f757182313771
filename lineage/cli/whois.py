"""`lineage whois`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from lineage.cli import options, output
from lineage.cli.failures import code_of_failures, say
from lineage.cli.failures import ending as ending_of
from lineage.cli.gates import VIOLATED, code_of
from lineage.cli.progress import progress
from lineage.errors import NoIndex, StoreError

if TYPE_CHECKING:
    from lineage.report.html import Language
    from lineage.report.table import Row
    from lineage.sketch.file_digests import Digests
    from lineage.types import Depth, Lineage, TokenizerComparison, Whois


@click.command("whois")
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, type=click.Path())
@click.option(
    "--from",
    "listed",
    metavar="FILE",
    type=click.File(encoding="utf-8"),
    help="A file with further checkpoints, one a line; # begins a comment, - is standard input.",
)
@click.option(
    "--table",
    metavar="FILE.csv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a table with a line for each CHECKPOINT, including those that cannot be read.",
)
@output.report(
    "Write the answer as a self-contained page (.html), to read, print and hand on; or its graph, with any"
    " extension of `lineage graph -o`.",
)
@output.lang
@options.adapter
@options.gate_at
@options.index
@options.reference
@options.depth
@options.as_json
def command(
    *,
    checkpoints: tuple[str, ...],
    listed: TextIO | None,
    table: Path | None,
    target: Path | None,
    lang: Language | None,
    adapter: str | None,
    gate: tuple[str, ...] | None,
    index: str | Path | None,
    reference: bool,
    depth: Depth | None,
    as_json: bool,
) -> int:
    """Say what CHECKPOINT descends from, component by component.

    \b
      lineage whois ./model                    a folder, a file or a .sketch
      lineage whois model.safetensors --json   for a script
      lineage whois big.pt --depth sampled     an answer from a few percent of the bytes
      lineage whois hf:org/name@main           read by ranges, not downloaded; so is https://host/file
      lineage whois a.pt b.pt c.gguf --json    several: one document a line, in this order
      lineage whois --from models.txt --table answers.csv   those that a file lists, as a table
      lineage whois ./model --gate derived,identical   for a pipeline: 20 if it is, 30 if that is open
      lineage whois ./lora                     an adapter alone: its base, what it fits, what it was merged into
      lineage whois ./tokenizer.json           a tokenizer without weights: the nearest known one, by its order
      lineage whois ./base --adapter ./lora    the model that an adapter makes of its base
      lineage whois ./model --report out.html  a page with figures, their null and the graph; --lang ko
      lineage whois ./model --report m.cdx.json  the model and its ancestors as a bill of materials

    --report takes every extension of `lineage graph -o`; CHECKPOINT need not be in an index. Your index and the
    reference index that comes with lineage are searched. No match is a result too: it says how weak a relation would
    still have been detected. An ancestor refutes "from scratch"; no match never proves it. A CHECKPOINT that cannot be
    read does not stop the others; the exit code shows that one failed.
    """
    from lineage import api, report

    ending = output.ending_of(target, lang)
    checkpoints = (*checkpoints, *(() if listed is None else _listed(listed)))
    if not checkpoints:
        raise click.UsageError("give one CHECKPOINT or more, or --from FILE")
    rows: list[Row] = []
    several = len(checkpoints) > 1
    for given, option in ((target, "--report"), (adapter, "--adapter")):
        if several and given is not None:
            raise click.UsageError(f"{option} takes one CHECKPOINT: ask about each by itself")

    def answered(checkpoint: str) -> int:
        if api.is_tokenizer(checkpoint):
            if target is not None or adapter is not None or gate is not None:
                raise click.UsageError("the answer about a tokenizer goes to the screen, --json or --table only")
            found = _tokenizer(checkpoint, index, reference, as_json, several)
            if table is not None:
                rows.append(report.table.tokenizer_row(checkpoint, found))
            return 0
        with progress() as watch, _digests(checkpoint, adapter, ending) as taken:
            answer = api.whois(checkpoint, index, reference=reference, depth=depth, watch=watch, adapter=adapter)
            files = taken()
        if table is not None:
            rows.append(report.table.row(checkpoint, answer))
        if target is not None:
            _write(answer, api.relatives(answer, index, reference=reference), target, ending, lang=lang, files=files)
        if as_json:
            output.print_json(report.json.whois(answer), one_line=several)
        else:
            click.echo(report.terminal.whois_screen(answer, *output.screen_size()), nl=several)
        return 0 if gate is None else code_of(api.gate(gate, answer))

    def failed(checkpoint: str, line: str) -> None:
        if table is not None:
            rows.append(report.table.failed_row(checkpoint, line))

    code = _each(checkpoints, answered, failed, as_json) if several or table else answered(checkpoints[0])
    if table is not None:
        from lineage.atomic_write import write_whole

        write_whole(table, report.table.table(rows))
    return code


def _listed(file: TextIO) -> list[str]:
    """The lines of a file, without comments and blank lines."""
    try:
        lines = [line.partition(" #")[0].strip() for line in file]
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"is not UTF-8 text: {error.reason}", param_hint="--from") from None
    return [line for line in lines if line and not line.startswith("#")]


def _tokenizer(
    source: str, index: str | Path | None, reference: bool, as_json: bool, several: bool
) -> TokenizerComparison:
    from lineage import api, report

    found = api.whois_tokenizer(source, index, reference=reference)
    if found is None:
        raise NoIndex(f"{source}: no known tokenizer to compare it with: leave out --no-reference, or ingest models")
    if as_json:
        output.print_json(report.witness_json.tokenizer_comparison(found), one_line=several)
    else:
        click.echo(report.tokenizers.tokenizer_screen(found, *output.screen_size()), nl=several)
    return found


def _each(
    checkpoints: Sequence[str], answered: Callable[[str], int], failed: Callable[[str, str], None], as_json: bool
) -> int:
    """Answer one after the other, reporting failures to `failed`; only a fault of the index ends the run.

    The exit code is that of a relation or verdict that the gate names, then of failures, then of what is open.
    """
    from lineage import report

    codes, failures = set[int](), set[int]()
    for checkpoint in checkpoints:
        try:
            codes.add(answered(checkpoint))
        except StoreError:
            raise
        except Exception as error:  # one bad file must not stop the others
            line, code = ending_of(error)
            if line is None:
                raise
            say(line)
            failed(checkpoint, line)
            if as_json:
                output.print_json(report.json.failed(checkpoint, line, code), one_line=True)
            failures.add(code)
    if VIOLATED in codes:
        return VIOLATED
    return code_of_failures(failures) if failures else max(codes)


def _write(
    answer: Whois, relatives: Lineage, target: Path, ending: str, *, lang: Language | None, files: Digests
) -> None:
    """Write the report; a statement names the `files` of the model."""
    from lineage import __version__, report
    from lineage.atomic_write import write_whole

    if ending in output.PAGES:
        write_whole(target, report.html.whois_page(answer, __version__, relatives, lang or output.PAGES[ending]))
        return
    lineage = report.answered.lineage_of(answer, relatives)
    if ending in report.graphs.STATEMENTS:
        nodes = (replace(node, files=files) if node.id == lineage.about else node for node in lineage.nodes)
        lineage = report.kinship.up_to_roots(replace(lineage, nodes=tuple(nodes)))
    else:
        lineage = report.kinship.neighbours(lineage)
    report.graphs.write(lineage, target)


def _digests(checkpoint: str, adapter: str | None, ending: str) -> AbstractContextManager[Callable[[], Digests]]:
    """Take the digests of the model's files while it is sketched, for a statement about it."""
    if not ending or adapter is not None:
        return nullcontext(tuple)
    from lineage.report.graphs import STATEMENTS
    from lineage.sketch.file_digests import taken_beside

    return taken_beside(checkpoint) if ending in STATEMENTS else nullcontext(tuple)
