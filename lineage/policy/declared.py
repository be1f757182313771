"""Parents that cards name and the index does not hold: separate nodes, joined by declared edges alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lineage.policy.names import bare
from lineage.types import Declared, Edge, Lineage, Node, Relation
from lineage.types.facts.descent import NamedIn

_PUBLISHED = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_PREFIX = "declared-"


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of a public model without its weights: its name, its licence, the parents that it declares."""

    name: str
    licence: str | None
    declared: tuple[Declared, ...] = ()


def is_declared(node: Node) -> bool:
    """Whether a node stands for a model that only cards name."""
    return node.id.startswith(_PREFIX)


def with_declared(
    lineage: Lineage, declared: Mapping[str, Iterable[Declared]], indexed: Iterable[str], published: Iterable[Published]
) -> Lineage:
    """`lineage` with the declared parents that are not in it, and with theirs as far as they are known.

    `declared` maps nodes to what their cards declare; `indexed` are the names of all models of the index, whose
    edges the graph has already. A path on a disk in a config is not taken for a model.
    """
    there = {bare(name) for name in indexed}
    known = {one.name.lower(): one for one in published}
    waiting = [(child, fact) for child, facts in declared.items() for fact in facts]
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], Edge] = {}
    while waiting:
        child, fact = waiting.pop()
        name = fact.model.lower()
        if bare(name) in there or not (name in known or _PUBLISHED.fullmatch(name)):
            continue
        parent = f"{_PREFIX}{name}"
        edges.setdefault(
            (parent, child), Edge(parent, child, Relation.INCONCLUSIVE, True, "declared", basis=(NamedIn(fact.source),))
        )
        if parent not in nodes:
            public = known.get(name)
            nodes[parent] = Node(parent, fact.model, 0, observed=False, licence=public.licence if public else None)
            waiting += [(parent, further) for further in (public.declared if public else ())]
    return replace(lineage, nodes=(*lineage.nodes, *nodes.values()), edges=(*lineage.edges, *edges.values()))
