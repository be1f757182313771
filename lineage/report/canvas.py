"""One way to lay out lines and tables, for a terminal of any width; plain text where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

NARROWEST = 80
WIDEST = 120


def width_for(columns: int) -> int:
    """The width to draw at in a terminal of that many columns."""
    return min(max(columns, NARROWEST), WIDEST)


class Canvas:
    """Collects lines; nothing in them is read as markup, so that strangers' names stay text."""

    def __init__(self, width: int, colour: bool) -> None:
        from rich.console import Console

        self._buffer = StringIO()
        self._console = Console(
            file=self._buffer,
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """Add a paragraph, wrapped and indented."""
        from rich.padding import Padding
        from rich.text import Text

        self._console.print(Padding(Text(text, style=style), (0, 0, 0, indent)))

    def pair(self, left: str, right: str, style: str) -> None:
        """Add a headline: `left` plain and bold, `right` in that style."""
        from rich.text import Text

        self._console.print(Text.assemble((left, "bold"), "   ", (right, style)))

    def table(self, rows: Sequence[Sequence[str]], heads: Sequence[str] = (), right: Sequence[int] = ()) -> None:
        """Add rows in columns; the columns numbered in `right` hold figures. Long words are folded."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for i in range(len(rows[0]) if rows else len(heads)):
            table.add_column(heads[i] if heads else "", justify="right" if i in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)

    def text(self) -> str:
        """Everything so far, without trailing blanks."""
        return "\n".join(line.rstrip() for line in self._buffer.getvalue().splitlines()) + "\n"
