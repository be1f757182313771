"""A patch for the front matter of a model card (huggingface.co/docs/hub/model-cards): parents that the weights show.

Only direct, measured, directed parents are `base_model`; what is declared stands in a comment. An adapter alone has no
such parent, so `base_model_relation` is merge, quantized or finetune, or left out where the hub has no such value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lineage.report.bom.packages import repository
from lineage.report.graphs.network import xml_text
from lineage.report.kinship import caption, parents
from lineage.types import Edge, Lineage, Node, Relation

_WORDLESS = {Relation.IDENTICAL, Relation.RE_ENCODED, Relation.COMPONENT_REUSED}  # the hub has no value for these


def render(lineage: Lineage) -> bytes:
    """YAML 1.2: one document for the model that the graph is about, else one for each model that has a parent."""
    nodes = {node.id: node for node in lineage.nodes}
    above = parents(lineage)
    declared: dict[str, list[Edge]] = {}
    for edge in lineage.edges:
        if edge.source == "declared" and edge.directed:
            declared.setdefault(edge.child, []).append(edge)
    chosen = [node for node in lineage.nodes if node.id == lineage.about]
    if lineage.about is None:
        chosen = [node for node in lineage.nodes if node.id in above and node.observed]
    pages = (_patch(node, above.get(node.id, ()), declared.get(node.id, ()), nodes) for node in chosen)
    return "".join(line + "\n" for page in pages for line in ("---", *page)).encode("utf-8")


def _patch(node: Node, measured: Sequence[Edge], declared: Sequence[Edge], nodes: Mapping[str, Node]) -> Iterable[str]:
    yield f"# {xml_text(node.name)}"
    for edge in declared:
        yield f"# {xml_text(caption(edge))}, which is not evidence: {xml_text(_name(nodes[edge.parent]))}"
    named = [edge for edge in measured if nodes[edge.parent].observed]
    if len(named) < len(measured):
        yield "# measured: a parent that is not in the index"
    if not named:
        yield "# measured: no parent that could be named"
        yield "{}"
        return
    yield "base_model:"
    for parent in dict.fromkeys(edge.parent for edge in named):
        unseen = "; weights not seen here" if nodes[parent].weights_seen is False else ""
        place = "" if repository(nodes[parent].address) else "; not known to be at the hub"
        reasons = ", ".join(_reason(edge) for edge in named if edge.parent == parent)
        yield f"- {_quoted(_name(nodes[parent]))}  # measured: {reasons}{place}{unseen}"
    relation = _relation(named)
    if relation is not None:
        yield f"base_model_relation: {relation}"


def _reason(edge: Edge) -> str:
    sure = "" if edge.confidence is None else f", confidence {edge.confidence:.2f}"
    return xml_text(caption(edge)) + sure


def _relation(edges: Sequence[Edge]) -> str | None:
    """The hub's value for how a model came from its parents."""
    relations = {edge.relation for edge in edges}
    if Relation.MERGED in relations:
        return "merge"
    if relations <= {Relation.QUANTIZED, *_WORDLESS}:
        return "quantized" if Relation.QUANTIZED in relations else None
    return "finetune"


def _name(node: Node) -> str:
    return repository(node.address) or node.name


def _quoted(text: str) -> str:
    """`text` as a double-quoted scalar (YAML 1.2.2, section 7.3.1); YAML can hold the characters that XML can."""
    escaped = xml_text(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
