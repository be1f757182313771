"""The screen of `graph`: a line a family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lineage.report.figures import plain
from lineage.report.kinship import called, families, founders, unseen
from lineage.report.text.canvas import Canvas
from lineage.report.text.terminal import handed_over_lines
from lineage.report.words import texts
from lineage.types import Edge, Lineage, Node

_FEW = 3  # founders spelled out before the rest is counted


def overview_screen(lineage: Lineage, width: int = 100, colour: bool = False) -> str:
    """Families with their founders and what connects them, models without relatives, and contradictions."""
    canvas = Canvas(width, colour)
    groups = families(lineage)
    related = [group for group in groups if len(group) > 1]
    alone = [group[0] for group in groups if len(group) == 1]
    hidden = sum(not node.observed for node in lineage.nodes)
    canvas.pair(
        _counted(len(lineage.nodes) - hidden, "model"),
        f"{_counted(len(related), 'family', 'families')}, {_counted(hidden, 'hidden parent')},"
        f" {len(alone)} without relatives",
        "dim",
    )
    edges_of = _edges_of(related, lineage.edges)
    handed_over_lines(canvas, unseen(lineage.nodes))
    rows = [[f"  {_roots(g)}", str(len(g)), _relations(edges)] for g, edges in zip(related, edges_of, strict=True)]
    if rows:
        canvas.table(rows, right=(1,))
    declared = [edge for edge in lineage.edges if edge.source == "declared"]
    if declared:
        canvas.line(f"declared edges: {len(declared)}, kept apart from what was measured", indent=2)
    for text in texts(lineage.contradictions):
        canvas.line(f"contradiction: {plain(text)}", "yellow", indent=2)
    return canvas.text()


def _edges_of(groups: Sequence[Sequence[Node]], edges: Sequence[Edge]) -> list[list[Edge]]:
    """The measured edges within each group."""
    group_of = {node.id: i for i, group in enumerate(groups) for node in group}
    found: list[list[Edge]] = [[] for _ in groups]
    for edge in edges:
        if edge.source == "measured":
            found[group_of[edge.child]].append(edge)
    return found


def _roots(group: Sequence[Node]) -> str:
    named = [plain(called(node)) for node in founders(group)]
    more = f" and {len(named) - _FEW} more" if len(named) > _FEW else ""
    return f"{', '.join(named[:_FEW])}{more}"


def _relations(edges: Sequence[Edge]) -> str:
    """What connects a family: "4 fine-tuned, 1 merged, 2 with direction open"."""
    directed = Counter(edge.relation for edge in edges if edge.directed)
    ranked = sorted(directed.items(), key=lambda counted: (-counted[1], counted[0]))
    counts = [f"{number} {relation}" for relation, number in ranked]
    open_ones = sum(not edge.directed for edge in edges)
    return ", ".join([*counts, *([f"{open_ones} with direction open"] if open_ones else [])])


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
