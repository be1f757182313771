"""Keep measured figures in a Markdown page: each script owns one section, between two marker comments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

TITLE = "# Measured results\n\nEach section is written by the script that its marker names.\n"


def write_section(path: Path, name: str, text: str) -> None:
    """Replace the section `name` of the page at `path` by `text`, adding section and page where they are missing.

    A section stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; what is outside is left as it is.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else TITLE
    section = f"{begin}\n{text.strip()}\n{end}"
    before, found, rest = page.partition(begin)
    if found:
        _, closed, after = rest.partition(end)
        if not closed:
            raise ValueError(f"{path}: {begin} has no {end}")
        page = before + section + after
    else:
        page = f"{page.rstrip()}\n\n{section}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a `|` inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
