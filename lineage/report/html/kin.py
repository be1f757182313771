"""The ancestry graph around one answer: what was measured, what was declared, and what the index knows beyond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import get_args

from lineage.types import Comparison, ComponentFinding, Edge, Lineage, Node, Relation, Role, Whois

_RELATIONS = frozenset(get_args(Relation))
_MOST = 28  # models in the picture of one answer


def kin(answer: Whois, relatives: Lineage | None = None) -> tuple[Lineage, int]:
    """The graph to draw for an answer, and how many relatives were left out of it.

    `relatives` is what a graph of the index says of the model or of its ancestors. A model that it holds keeps the
    edges that were found there; for any other they are made from the answer.
    """
    known = relatives or Lineage((), ())
    held = {copy: node.id for node in known.nodes for copy in (node.id, *node.copies)}
    query = held.get(answer.sketch.id)
    if query is None:
        query = answer.sketch.id
        known = _with_answer(answer, known, held)
    return _around(known, query)


def _with_answer(answer: Whois, known: Lineage, held: dict[str, str]) -> Lineage:
    sketch = answer.sketch
    nodes = {node.id: node for node in known.nodes}
    nodes[sketch.id] = Node(sketch.id, sketch.name, sketch.params, licence=sketch.licence)
    edges = list(known.edges)
    for other in (*answer.ancestors, *answer.alternatives):
        end = held.get(other.model, other.model)
        nodes.setdefault(end, Node(end, other.model_name, 0, root=other.role == "child"))
        edges += _measured(answer, other, end)
    for said in sketch.declared:
        end = _named(said.model, [node for node in nodes.values() if node.id != sketch.id]) or f"declared:{said.model}"
        nodes.setdefault(end, Node(end, said.model, 0, observed=False))
        relation: Relation = said.relation if said.relation in _RELATIONS else "inconclusive"  # type: ignore[assignment]
        edges.append(Edge(end, sketch.id, relation, True, "declared", basis=(said.source,)))
    return Lineage(tuple(nodes.values()), tuple(edges), known.contradictions)


def _measured(answer: Whois, other: Comparison, end: str) -> Iterator[Edge]:
    """One edge for a whole model; one a component where the components come from several."""
    query = answer.sketch.id
    if other in answer.alternatives:
        yield _edge(query, end, other, None)
        return
    if len(answer.ancestors) == 1 and other.relation != "component-reused":
        yield _edge(query, end, other, other.role)
        return
    for finding, model, _ in answer.components:
        if model == other.model:
            made = _edge(query, end, finding, finding.role)
            yield replace(made, component=finding.name, share=finding.share, layer_map=finding.layer_map)


def _edge(query: str, end: str, found: Comparison | ComponentFinding, role: Role | None) -> Edge:
    parent, child = (query, end) if role == "parent" else (end, query)
    evidence = found.evidence
    return Edge(
        parent,
        child,
        found.relation,
        role in ("child", "parent"),
        "measured",
        r=evidence.r,
        z=evidence.z,
        log10_p=evidence.log10_p,
        confidence=found.confidence,
        basis=found.basis,
    )


def _named(name: str, nodes: Iterable[Node]) -> str | None:
    """The node that a card means: its name without the organisation, in any case."""
    wanted = name.rsplit("/", 1)[-1].lower()
    return next((node.id for node in nodes if node.name.rsplit("/", 1)[-1].lower() == wanted), None)


def _around(lineage: Lineage, query: str) -> tuple[Lineage, int]:
    """The query, the line above it and its children; then relatives ever further off, as many as can be drawn."""
    above: dict[str, list[str]] = {}
    beside: dict[str, list[str]] = {}
    for edge in lineage.edges:
        above.setdefault(edge.child, []).append(edge.parent)
        beside.setdefault(edge.parent, []).append(edge.child)
        beside.setdefault(edge.child, []).append(edge.parent)
    line = _reached([query], above)
    kept = set(islice(dict.fromkeys([*line, *beside.get(query, ()), *_reached(line, beside)]), _MOST))
    nodes = tuple(node for node in lineage.nodes if node.id in kept)
    inside = (edge for edge in lineage.edges if edge.parent in kept and edge.child in kept)
    edges = tuple(sorted(inside, key=lambda edge: query not in (edge.parent, edge.child)))
    names = tuple(f"{node.name} " for node in nodes)
    against = tuple(text for text in lineage.contradictions if text.startswith(names))
    return Lineage(nodes, edges, against), len(lineage.nodes) - len(nodes)


def _reached(start: Iterable[str], onwards: Mapping[str, Sequence[str]]) -> list[str]:
    """Everything that steps lead to, nearest first."""
    found = dict.fromkeys(start)
    waiting = list(found)
    for here in waiting:
        for there in onwards.get(here, ()):
            if there not in found:
                found[there] = None
                waiting.append(there)
    return waiting
