"""Where an answer goes: to a screen for people, as JSON for programs, into the file of `--report`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lineage.report.html import Language

Command = TypeVar("Command", bound="Callable[..., Any]")

PAGES: dict[str, Language] = {".html": "en", ".ko.html": "ko"}
"""Extensions of pages that are read in a browser, and their language without `--lang`."""

lang = click.option("--lang", type=click.Choice(["en", "ko"]), help="Language of the page: English or Korean.")


def print_json(value: Any, one_line: bool = False) -> None:
    """Print `value`; every character beyond ASCII is escaped, so no control character of a name reaches a terminal."""
    click.echo(json.dumps(value, indent=None if one_line else 2, allow_nan=False))


def screen_size() -> tuple[int, bool]:
    """The width to draw in, and whether to use colour."""
    from lineage.report.text.canvas import width_for

    return width_for(shutil.get_terminal_size((100, 24)).columns), sys.stdout.isatty()


def report(text: str) -> Callable[[Command], Command]:
    """The option that names the file, as `target`; `text` is its help."""
    return click.option(
        "--report", "target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help=text
    )


def ending_of(target: Path | None, language: Language | None) -> str:
    """The extension of the file, "" without one. Raises UnknownEnding, MissingExtra, UsageError for --lang alone."""
    from lineage import report

    ending = "" if target is None else report.graphs.check(target)
    if language is not None and ending not in PAGES:
        raise click.UsageError("--lang is the language of a page: it needs --report FILE.html")
    return ending
