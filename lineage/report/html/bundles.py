"""A family with many models made small enough to be drawn: models with the same place are put into one box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.report.html.texts import Texts
from lineage.types import Edge, Lineage, Node

_FEW = 24  # boxes that need no bundling
_ALIKE = 4  # models that are put into one box from this many on
MOST = 90  # boxes beyond which whole branches are put into one

_Alike = tuple[str, str, str, bool, str, str | None]


@dataclass(frozen=True, slots=True)
class Bundled:
    """A graph of boxes; `box` maps every model to the box that it is in."""

    lineage: Lineage
    box: Mapping[str, str]


def bundled(say: Texts, lineage: Lineage) -> Bundled:
    """Leaves with one parent and one relation as one box each; in a family still too large, whole branches."""
    made = Bundled(lineage, {node.id: node.id for node in lineage.nodes})
    if len(lineage.nodes) > _FEW:
        made = _alike(say, made)
    while len(made.lineage.nodes) > MOST:
        smaller = _pruned(say, made)
        if len(smaller.lineage.nodes) == len(made.lineage.nodes):
            break
        made = smaller
    return made


def _alike(say: Texts, made: Bundled) -> Bundled:
    """Leaves grouped by the model, the relation and the source of their one edge."""
    groups: dict[_Alike, list[str]] = {}
    kinds: dict[_Alike, Edge] = {}
    for leaf, edge in _leaves(made.lineage).items():
        other = edge.parent if edge.child == leaf else edge.child
        key = (other, edge.parent, edge.relation, edge.directed, edge.source, edge.component)
        key = key if edge.parent == other else (other, "", *key[2:])
        groups.setdefault(key, []).append(leaf)
        kinds.setdefault(key, edge)
    chosen = [
        (leaves, say("graph.bundle", count=len(leaves), relation=say.word("relation", kinds[key].relation)))
        for key, leaves in groups.items()
        if len(leaves) >= _ALIKE
    ]
    return _merged(made, chosen)


def _pruned(say: Texts, made: Bundled) -> Bundled:
    """The outermost branches of a tree through the graph, each as one box: a node's leaves, or its only leaf and it."""
    above = _tree(made.lineage)
    below: dict[str, list[str]] = {}
    for node, parent in above.items():
        below.setdefault(parent, []).append(node)
    chosen = []
    for parent, children in below.items():
        leaves = [child for child in children if child not in below]
        if len(leaves) > 1:
            chosen.append(leaves)
        elif leaves == children:
            chosen.append([parent, *leaves])
    sizes = Counter(made.box.values())
    return _merged(
        made, [(group, say("graph.bundle_deep", count=sum(sizes[box] for box in group))) for group in chosen]
    )


def _tree(lineage: Lineage) -> dict[str, str]:
    """For every node except the first of each connected set, the neighbour that is a step nearer to that first one."""
    around: dict[str, list[str]] = {node.id: [] for node in lineage.nodes}
    for edge in lineage.edges:
        around[edge.parent].append(edge.child)
        around[edge.child].append(edge.parent)
    above: dict[str, str] = {}
    seen: set[str] = set()
    for start in sorted(lineage.nodes, key=lambda node: not node.root):
        waiting = [] if start.id in seen else [start.id]
        seen.add(start.id)
        for here in waiting:
            for there in around[here]:
                if there not in seen:
                    seen.add(there)
                    above[there] = here
                    waiting.append(there)
    return above


def _leaves(lineage: Lineage) -> dict[str, Edge]:
    """Nodes that are joined to one other node only, with the edge that joins them."""
    joins: dict[str, list[Edge]] = {}
    for edge in lineage.edges:
        for end in {edge.parent, edge.child}:
            joins.setdefault(end, []).append(edge)
    return {node.id: joins[node.id][0] for node in lineage.nodes if len(joins.get(node.id, ())) == 1}


def _merged(made: Bundled, groups: Iterable[tuple[Sequence[str], str]]) -> Bundled:
    """The graph with each group as one node of that name; edges within a group are dropped."""
    into: dict[str, str] = {}
    nodes = {node.id: node for node in made.lineage.nodes}
    for members, name in groups:
        box = f"box {members[0]}"
        for member in members:
            into[member] = box
            nodes.pop(member)
        nodes[box] = Node(box, name, 0)
    edges: dict[tuple[str, str, str, bool, str, str | None], Edge] = {}
    for edge in made.lineage.edges:
        parent, child = into.get(edge.parent, edge.parent), into.get(edge.child, edge.child)
        if parent == edge.parent and child == edge.child:
            edges[parent, child, edge.relation, edge.directed, edge.source, edge.component] = edge
        elif parent != child:
            key = parent, child, edge.relation, edge.directed, edge.source, edge.component
            plain = replace(edge, parent=parent, child=child, r=None, z=None, log10_p=None, confidence=None)
            edges.setdefault(key, replace(plain, share=None, weight=None, basis=(), layer_map=None))
    box_of = {model: into.get(box, box) for model, box in made.box.items()}
    return Bundled(Lineage(tuple(nodes.values()), tuple(edges.values())), box_of)
