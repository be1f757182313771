"""Models of equal weights as one node of a graph, and the part of a graph around one model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineage.sketch.adapters import is_adapter
from lineage.sketch.layouts import content_key, same_weights, vector_digests
from lineage.types import CheckpointSketch

if TYPE_CHECKING:
    from lineage.types import Edge, Lineage, ModelRecord, Node


def fold(sketches: Sequence[CheckpointSketch]) -> list[list[CheckpointSketch]]:
    """Group models of equal weights, whatever their names and orientation; each group is one node.

    Layouts of one model share its id and stay in one group.
    """
    groups: dict[Hashable, list[CheckpointSketch]] = defaultdict(list)
    vectors = [vector_digests(sketch) for sketch in sketches]
    alike_in = Counter(vectors)
    for sketch, held in zip(sketches, vectors, strict=True):
        groups[held, content_key(sketch) if alike_in[held] > 1 else None].append(sketch)
    folded = []
    for alike in groups.values():
        while alike:
            same = [other for other in alike if other.id == alike[0].id or same_weights(alike[0], other)]
            folded.append(same)
            alike = [other for other in alike if other not in same]  # noqa: PLW2901 - what is left of the bucket
    return folded


def aliases(group: Sequence[ModelRecord]) -> tuple[str, ...]:
    """The names of all layouts and copies of a node, without the first."""
    return tuple(name for one in group for name in (one.name, *(layout.name for layout in one.layouts)))[1:]


def nodes_of(groups: Sequence[Sequence[ModelRecord]], edges: Sequence[Edge]) -> tuple[Node, ...]:
    """A node for each group, and for each unobserved parent of an edge.

    A node without a measured edge into it is a root, unless it is an adapter.
    """
    from lineage.types import Node  # imported only when a graph is drawn

    children = {edge.child for edge in edges if edge.source == "measured"}
    params = {group[0].id: group[0].params for group in groups}
    missing = {edge.parent: params[edge.child] for edge in edges if edge.parent not in params and edge.child in params}
    observed = tuple(
        Node(
            id=group[0].id,
            name=group[0].name,
            params=group[0].params,
            aliases=aliases(group),
            licence=group[0].licence,
            root=group[0].id not in children and not is_adapter(group[0]),
            copies=tuple(other.id for other in group[1:]),
            weights_seen=_seen([one.weights_seen for one in group]),
        )
        for group in groups
    )
    return observed + tuple(
        Node(id=node, name="not in the index", params=size, observed=False, root=node not in children)
        for node, size in missing.items()
    )


def _seen(copies: Sequence[bool | None]) -> bool | None:
    """Whether the weights of any copy were seen; None if that is unknown."""
    return True if True in copies else None if None in copies else False


def part_of(whole: Lineage, model: str, *, only_neighbours: bool) -> Lineage:
    """The connected part of a graph around a model (its id, or that of a copy), or the model and its neighbours."""
    import networkx as nx

    node = next((node.id for node in whole.nodes if model in node.copies), model)
    joined = nx.Graph((edge.parent, edge.child) for edge in whole.edges)
    joined.add_node(node)
    kept = {node, *joined[node]} if only_neighbours else nx.node_connected_component(joined, node)
    return replace(
        whole,
        nodes=tuple(node for node in whole.nodes if node.id in kept),
        edges=tuple(edge for edge in whole.edges if edge.parent in kept and edge.child in kept),
    )
