"""The ancestry graph as a file; the extension of its name selects the format."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lineage.atomic_write import write_whole
from lineage.errors import MissingExtra, UnknownEnding
from lineage.types import Lineage

ENDINGS = {
    ".json": ".json:render",
    ".graphml": ".graphml:render",
    ".gexf": ".gexf:render",
    ".dot": ".dot:render",
    ".mmd": ".mermaid:render",
    ".csv": ".csv:render",
    ".svg": ".svg:render",
    ".png": ".png:render",
    ".html": "..html.families:render",
    ".ko.html": "..html.families:render_ko",
    ".cdx.json": "..bom.cyclonedx:render_1_6",
    ".1.7.cdx.json": "..bom.cyclonedx:render_1_7",
    ".spdx.json": "..bom.spdx:render",
    ".prov.json": "..bom.prov:render",
    ".intoto.json": "..bom.intoto:render",
    ".card.yaml": "..bom.card:render",
}
"""Each extension with the function that renders it, as module:function in this package: `render(lineage) -> bytes`.

The longest extension that fits is used.
"""

STATEMENTS = frozenset({".cdx.json", ".1.7.cdx.json", ".spdx.json", ".prov.json", ".intoto.json"})
"""Extensions of statements to hand on: about one model, they lead up to its roots and name its files by SHA-256."""

UPWARD = STATEMENTS | {".card.yaml"}
"""Extensions of formats that say what a model comes from, and have no place for what comes from it."""


def check(path: str | Path) -> str:
    """The extension of a file of that name. Raises UnknownEnding, MissingExtra, both before any work is done."""
    name = Path(path).name.lower()
    endings = [ending for ending in ENDINGS if name.endswith(ending)]
    if not endings or name in ENDINGS:
        raise UnknownEnding(f"{path}: the name must end in one of {' '.join(ENDINGS)}, which chooses the format")
    ending = max(endings, key=len)
    if ending == ".png" and find_spec("matplotlib") is None:
        raise MissingExtra(f"{path}: needs matplotlib: pip install 'weight-lineage[picture]', or choose .svg")
    return ending


def render(lineage: Lineage, path: str | Path) -> bytes:
    """The content of a file of that name; equal graphs give equal bytes.

    Raises UnknownEnding, MissingExtra, and LineageError where a format cannot express the graph.
    """
    module, _, function = ENDINGS[check(path)].partition(":")
    made: bytes = getattr(import_module(module, __name__), function)(lineage)
    return made


def write(lineage: Lineage, path: str | Path) -> None:
    """Write the graph to `path`, whole or not at all. Raises as `render` does, and OSError."""
    write_whole(Path(path), render(lineage, path))
