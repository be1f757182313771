"""How a run ends: one line for each way to fail, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from lineage.errors import LineageError

INTERRUPTED = 130


def guarded(run: Callable[[], Any]) -> int:
    """Call `run`, say in one line what went wrong, and return the exit code."""
    try:
        result = run()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        return _quiet()
    except (Exception, KeyboardInterrupt) as error:
        line, code = ending(error)
        if line is None:
            raise
        say(line)
        return code
    return result if isinstance(result, int) else 0


def ending(error: BaseException) -> tuple[str | None, int]:
    """The line to show for an error, and the exit code; no line where the traceback is wanted."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "interrupted: what was finished is kept, what was not is as before", INTERRUPTED
    if isinstance(error, LineageError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), 1
    if os.environ.get("LINEAGE_DEBUG"):
        return None, 1
    return f"unexpected {type(error).__name__}: {error} (LINEAGE_DEBUG=1 shows where)", 1


def code_of_failures(codes: set[int]) -> int:
    """The exit code where several inputs failed: theirs if they failed alike, else 1."""
    (first, *others) = codes
    return 1 if others else first


def say(line: str) -> None:
    """Write one line to standard error, safe to show whatever a file put into it."""
    from lineage.report.figures import plain

    click.echo(f"lineage: {plain(line)}", err=True)


def _quiet() -> int:
    """Redirect a closed standard output to nowhere, so that closing it raises nothing. Click does the same."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
