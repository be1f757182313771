"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lineage.cli.gates import words_of


class _IndexPlace(click.Path):
    """A folder, or the address of an index on a server unchanged: a Path would merge its slashes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


index = click.option(
    "--index",
    metavar="DIR",
    type=_IndexPlace(path_type=Path),
    envvar="LINEAGE_INDEX",
    show_envvar=True,
    help="Folder of your index, or milvus://HOST:PORT/NAME?sketches=URL; by default the one in your data folder.",
)
reference = click.option(
    "--no-reference",
    "reference",
    flag_value=False,
    default=True,
    type=bool,
    help="Leave out the reference index that comes with lineage.",
)
depth = click.option(
    "--depth",
    type=click.Choice(["full", "sampled"]),
    help="full reads every byte and finds exact copies and reordered rows; sampled reads a few percent. Default:"
    " full, or sampled for what is read from a server.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
gate = click.option("--gate", is_flag=True, help="Report the outcome as the exit code, for a pipeline.")
gate_at = click.option(
    "--gate",
    metavar="WORD[,...]",
    callback=words_of,
    help="Relations or verdicts to fail on, such as derived,partly-derived,identical: the exit code is 20 if one is"
    " found, 30 if that stays open.",
)
sarif = click.option(
    "--sarif",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the findings as SARIF 2.1.0, which code hosts display.",
)
adapter = click.option(
    "--adapter",
    metavar="LORA",
    type=click.Path(),
    help="Merge this LoRA or DoRA adapter into CHECKPOINT while it is read, and use the result.",
)
state = click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LINEAGE_STATE",
    show_envvar=True,
    help="Folder of the service's jobs, uploads and tokens; by default one in your state folder.",
)
