"""DOT (graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from lineage.report.figures import count, plain
from lineage.report.kinship import called, caption
from lineage.types import Edge, Lineage, Node, Relation

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


def render(lineage: Lineage) -> bytes:
    """A graph from left to right; declared edges dashed, undirected ones dotted, hidden parents hollow."""
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fillcolor="#eef2fb"];']
    lines += [f"  {quoted(node.id)} [{_node(node)}];" for node in lineage.nodes]
    lines += [f"  {quoted(edge.parent)} -> {quoted(edge.child)} [{_edge(edge)}];" for edge in lineage.edges]
    return ("\n".join([*lines, "}"]) + "\n").encode("utf-8")


def quoted(text: str) -> str:
    """`text` as a DOT string: nothing in it ends the string, breaks a line or is an entity."""
    return f'"{plain(text).translate(_ESCAPES)}"'


def _node(node: Node) -> str:
    if not node.observed:
        return f'label={quoted(node.name)}, style="rounded,dashed"'
    label = f'"{quoted(called(node))[1:-1]}\\n{count(node.params)}"'
    return f"label={label}, penwidth=2" if node.root else f"label={label}"


def _edge(edge: Edge) -> str:
    attributes = [f"label={quoted(caption(edge))}", f"class={edge.source}"]
    if not edge.directed:
        attributes += ["dir=none", "style=dotted", "constraint=false"]
    elif edge.source == "declared":
        attributes += ["style=dashed", "color=gray", "arrowhead=empty"]
    elif edge.relation == Relation.MERGED:
        attributes += ["penwidth=2"]
    return ", ".join(attributes)
