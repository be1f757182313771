"""The file of `--report`: its extension, and the language of a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

Command = TypeVar("Command", bound="Callable[..., Any]")

if TYPE_CHECKING:
    from lineage.report.html import Language

PAGES: dict[str, Language] = {".html": "en", ".ko.html": "ko"}
lang = click.option("--lang", type=click.Choice(["en", "ko"]), help="Language of the page: English or Korean.")


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
