"""One way to lay out lines and tables, for a terminal of any width; plain text where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

NARROWEST = 80
WIDEST = 120
JOINT = "\ue000"
"""A blank at which a line is never broken."""


def width_for(columns: int) -> int:
    """The width to draw at in a terminal of that many columns."""
    return min(max(columns, NARROWEST), WIDEST)


@dataclass(frozen=True, slots=True)
class Branch:
    """A paragraph of a tree: a headline in bold, more text, notes on lines of their own, and what hangs below."""

    head: str
    text: str = ""
    notes: tuple[str, ...] = ()
    below: tuple[Branch, ...] = ()


class Canvas:
    """Collects lines; nothing in them is read as markup, so that untrusted names stay text."""

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

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """Add rows in columns that fit the width, words folded; the columns numbered in `right` hold figures."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for i in range(len(rows[0]) if rows else 0):
            table.add_column(justify="right" if i in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)

    def listing(self, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """Add rows whose words are never folded, however wide that makes them: names stay whole for a search."""
        from rich.cells import cell_len
        from rich.text import Text

        widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
        for row, style in [(heads, "dim"), *((row, "") for row in rows)]:
            gaps = [" " * (width - cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
            cells = [
                gap + cell if i in right else cell + gap for i, (gap, cell) in enumerate(zip(gaps, row, strict=True))
            ]
            self._console.print(Text("  ".join(cells), style=style), soft_wrap=True)

    def tree(self, branch: Branch) -> None:
        """Add a branch and all below it, with lines from parents to children; text is wrapped beside them."""
        from rich.text import Text
        from rich.tree import Tree

        def grown(one: Branch, trunk: Tree | None) -> Tree:
            label = Text.assemble((one.head, "bold"), "   " if one.text else "", one.text)
            for note in one.notes:
                label.append(f"\n{note}", "dim")
            tree = Tree(label, guide_style="dim") if trunk is None else trunk.add(label)
            for lower in one.below:
                grown(lower, tree)
            return tree

        self._console.print(grown(branch, None))

    def text(self) -> str:
        """Everything so far, without trailing blanks; each `JOINT` becomes a plain blank."""
        return "\n".join(line.rstrip() for line in self._buffer.getvalue().replace(JOINT, " ").splitlines()) + "\n"
