"""The ancestry graph as a file; the ending of its name chooses the format."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lineage.errors import MissingExtra, UnknownEnding
from lineage.sketch.whole_file import write_whole
from lineage.types import Lineage

ENDINGS = {
    ".json": "json",
    ".graphml": "graphml",
    ".gexf": "gexf",
    ".dot": "dot",
    ".mmd": "mermaid",
    ".csv": "csv",
    ".svg": "svg",
    ".png": "png",
}
"""Each ending with the module here that renders it; every such module has `render(lineage) -> bytes`."""


def check(path: str | Path) -> str:
    """The module for a file of that name. Raises UnknownEnding, MissingExtra, both before any work is done."""
    name = ENDINGS.get(Path(path).suffix.lower())
    if name is None:
        raise UnknownEnding(f"{path}: the name must end in one of {' '.join(ENDINGS)}, which chooses the format")
    if name == "png" and find_spec("matplotlib") is None:
        raise MissingExtra(f"{path}: needs matplotlib: pip install 'weight-lineage[picture]', or choose .svg")
    return name


def render(lineage: Lineage, path: str | Path) -> bytes:
    """The content of a file of that name; equal graphs give equal bytes. Raises UnknownEnding, MissingExtra."""
    made: bytes = import_module(f"{__name__}.{check(path)}").render(lineage)
    return made


def write(lineage: Lineage, path: str | Path) -> None:
    """Write the graph to `path`, whole or not at all. Raises UnknownEnding, MissingExtra, OSError."""
    write_whole(Path(path), render(lineage, path))
