"""Mermaid flowcharts (mermaid.js.org), which code hosts draw inside Markdown."""

from __future__ import annotations

from lineage.report.figures import count, plain
from lineage.report.kinship import called, caption
from lineage.types import Edge, Lineage, Node, Relation

_PLAIN = frozenset(" -_./()+,")


def render(lineage: Lineage) -> bytes:
    """A chart from left to right; each edge is named measured or declared, undirected ones have no head."""
    key = {node.id: f"n{i}" for i, node in enumerate(lineage.nodes)}
    lines = ["flowchart LR", "  classDef root stroke-width:3px", "  classDef hidden fill:none,stroke-dasharray:4 3"]
    lines += [f"  {key[node.id]}{_node(node)}" for node in lineage.nodes]
    lines += [f"  {key[edge.parent]} {_line(edge)} {key[edge.child]}" for edge in lineage.edges]
    return ("\n".join(lines) + "\n").encode("utf-8")


def quoted(text: str) -> str:
    """`text` as a Mermaid string: all but letters, digits and a few signs as character codes."""
    return '"' + "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in plain(text)) + '"'


def _node(node: Node) -> str:
    if not node.observed:
        return f"({quoted(node.name)}):::hidden"
    return f"[{quoted(f'{called(node)} ({count(node.params)})')}]" + (":::root" if node.root else "")


def _line(edge: Edge) -> str:
    if edge.source == "declared":
        line = "-.->"
    elif not edge.directed:
        line = "-.-"
    else:
        line = "==>" if edge.relation == Relation.MERGED else "-->"
    label = caption(edge) if edge.source == "declared" else f"measured {caption(edge)}"
    return f"{line}|{quoted(label)}|"
