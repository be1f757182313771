"""How a run ends: one line for each way to fail, and the exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lineage.errors import LineageError
from lineage.printable import printable

INTERRUPTED = 130


_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_NO_MEMORY = re.compile(r"cannot allocate memory|failed to map segment|can't start new thread", re.IGNORECASE)


def guarded(run: Callable[[], Any]) -> int:
    """Call `run`, report a failure in one line, and return the exit code."""
    if _closed_streams():
        say("standard output is closed, so no answer can be printed (`> /dev/null` discards it)")
        return 1
    try:
        result = run()
        sys.stdout.flush()
    except click.ClickException as error:
        with _perhaps_unheard():
            error.show()
        return error.exit_code
    except BrokenPipeError:
        return _quiet()
    except (Exception, KeyboardInterrupt) as error:
        line, code = ending(error)
        if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITTEN:
            line = f"standard output: {error.strerror}"  # an error of any other file has its name
            _quiet()
        if line is None:
            raise
        say(line)
        return code
    return result if isinstance(result, int) else 0


def ending(error: BaseException) -> tuple[str | None, int]:
    """The line to show for an error, and the exit code; None for the line if the traceback is wanted."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "interrupted: finished work is kept, the rest is as before", INTERRUPTED
    if isinstance(error, LineageError):
        return str(error), error.exit_code
    if os.environ.get("LINEAGE_DEBUG") and not isinstance(error, OSError):
        return None, 1
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return "not enough memory: allow the process more (`ulimit -v`); finished work is kept", 1
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), 1
    return f"unexpected {type(error).__name__}: {error} (LINEAGE_DEBUG=1 shows where)", 1


def require_address_space(needed: int) -> None:
    """Raise MemoryError if this process may not take `needed` bytes: loading libraries would then crash it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise MemoryError


def _closed_streams() -> bool:
    """Replace closed standard streams by the null device; returns whether standard output was closed.

    Otherwise the next file opened would take their place, and whatever a library prints would be written into it.
    """
    was_closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    return was_closed


def code_of_failures(codes: set[int]) -> int:
    """The exit code when several inputs failed: theirs if all failed alike, else 1."""
    (first, *others) = codes
    return 1 if others else first


def say(line: str) -> None:
    """Write one line to standard error, safe to show whatever a file put into it."""
    with _perhaps_unheard():
        click.echo(f"lineage: {printable(line)}", err=True)


@contextmanager
def _perhaps_unheard() -> Iterator[None]:
    """Write to standard error; if that is full or closed, only the exit code can report the failure."""
    try:
        yield
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _quiet() -> int:
    """Redirect a closed standard output to the null device, so that closing it raises nothing. Click does the same."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
