"""Walks over an ancestry graph: its families, and the steps that lead from one model up to its roots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts import Fact
from lineage.types.facts.handed_over import WeightsUnseen


@dataclass(frozen=True, slots=True)
class Step:
    """One edge on the way up from a model; `generation` is 1 for its parents, 2 for theirs."""

    generation: int
    edge: Edge
    parent: Node


def families(lineage: Lineage) -> list[tuple[Node, ...]]:
    """Nodes that measured edges connect, whatever their direction; the largest family first, then by name.

    Declared edges connect nothing here: a card's claim does not make a family.
    """
    measured = [edge for edge in lineage.edges if edge.source == "measured"]
    return connected(lineage.nodes, measured)


def connected(nodes: Iterable[Node], edges: Iterable[Edge]) -> list[tuple[Node, ...]]:
    """Nodes in sets that `edges` connect, each in the order of `nodes`; the largest first, then by name."""
    known = {node.id: node for node in nodes}
    leader = {node: node for node in known}

    def lead(node: str) -> str:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for edge in edges:
        leader[lead(edge.parent)] = lead(edge.child)
    sets: dict[str, list[Node]] = {}
    for node in known.values():
        sets.setdefault(lead(node.id), []).append(node)
    return sorted(map(tuple, sets.values()), key=lambda family: (-len(family), min((n.name, n.id) for n in family)))


def founders(family: Sequence[Node]) -> list[Node]:
    """The roots of a family, hidden parents last; without any, its first node."""
    roots = sorted((node for node in family if node.root), key=lambda node: (not node.observed, node.name, node.id))
    return roots or [min(family, key=lambda node: (node.name, node.id))]


def steps_up(lineage: Lineage, model: str) -> tuple[Step, ...]:
    """Every measured, directed edge above `model`, nearest generation first; each edge once."""
    nodes = {node.id: node for node in lineage.nodes}
    above = parents(lineage)
    found: list[Step] = []
    reached, generation = [model], 0
    seen = {model}
    while reached:
        generation += 1
        steps = [Step(generation, edge, nodes[edge.parent]) for child in reached for edge in above.get(child, ())]
        found.extend(steps)
        reached = [node for node in dict.fromkeys(step.parent.id for step in steps) if node not in seen]
        seen.update(reached)
    return tuple(found)


def up_to_roots(lineage: Lineage) -> Lineage:
    """The model that `lineage` is about, all above it (measured or declared), and its relatives without direction.

    A graph that is not about one model stays whole.
    """
    import networkx as nx

    about = lineage.about
    if about is None:
        return lineage
    descent: nx.DiGraph[str] = nx.DiGraph((edge.parent, edge.child) for edge in lineage.edges if edge.directed)
    descent.add_node(about)
    undirected = [{edge.parent, edge.child} for edge in lineage.edges if not edge.directed]
    return part(lineage, {about}.union(nx.ancestors(descent, about), *(ends for ends in undirected if about in ends)))


def neighbours(lineage: Lineage) -> Lineage:
    """The model that `lineage` is about and all that an edge joins to it; without such a model, the whole graph."""
    if lineage.about is None:
        return lineage
    joined = [{edge.parent, edge.child} for edge in lineage.edges]
    return part(lineage, {lineage.about}.union(*(ends for ends in joined if lineage.about in ends)))


def part(lineage: Lineage, kept: Set[str]) -> Lineage:
    """Those nodes, the edges among them, and the claims of their cards that contradict the weights."""
    nodes = tuple(node for node in lineage.nodes if node.id in kept)
    return replace(
        lineage,
        nodes=nodes,
        edges=tuple(edge for edge in lineage.edges if edge.parent in kept and edge.child in kept),
        contradictions=tuple(one for one in lineage.contradictions if one.child in kept),
    )


def parents(lineage: Lineage) -> Mapping[str, tuple[Edge, ...]]:
    """The measured, directed edges that lead to each node: heaviest, then widest, first."""
    above: dict[str, list[Edge]] = {}
    for edge in lineage.edges:
        if edge.directed and edge.source == "measured":
            above.setdefault(edge.child, []).append(edge)
    return {child: tuple(sorted(edges, key=_precedence)) for child, edges in above.items()}


def caption(edge: Edge) -> str:
    """What an edge is, in short: "merged 0.30", "component-reused (vision encoder)", "declared"."""
    words = edge.relation if edge.source == "measured" else declared_word(edge)
    weight = "" if edge.weight is None else f" {edge.weight:.2f}"
    component = "" if edge.component is None else f" ({edge.component})"
    return f"{words}{weight}{component}"


def called(node: Node) -> str:
    """A node's name, with a note that its weights were not seen where all that is known of it was handed over."""
    return f"{node.name} (weights not seen here)" if node.weights_seen is False else node.name


def unseen(nodes: Iterable[Node]) -> tuple[Fact, ...]:
    """What an answer about these nodes must say about sketches that were handed over."""
    found = [node for node in nodes if node.weights_seen is False]
    names, ids = tuple(node.name for node in found), tuple(node.id for node in found)
    return (WeightsUnseen(ids, names),) if found else ()


def declared_word(edge: Edge) -> str:
    """How a declared edge is named; cards often name a parent without the relation."""
    return "declared" if edge.relation == Relation.INCONCLUSIVE else f"declared {edge.relation}"


def _precedence(edge: Edge) -> tuple[float, float, str, str]:
    return -(edge.weight or 0.0), -(edge.share or 0.0), edge.component or "", edge.parent
