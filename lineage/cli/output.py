"""Printing an answer: a screen for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import click


def print_json(value: Any, one_line: bool = False) -> None:
    """Print `value`; every character beyond ASCII is escaped, so no control character of a name reaches a terminal."""
    click.echo(json.dumps(value, indent=None if one_line else 2, allow_nan=False))


def screen_size() -> tuple[int, bool]:
    """The width to draw in, and whether to use colour."""
    from lineage.report.text.canvas import width_for

    return width_for(shutil.get_terminal_size((100, 24)).columns), sys.stdout.isatty()
