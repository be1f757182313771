"""The graph of a folder of families compared with the truth: which true edges were found, which directions are right.

Every measured edge counts, those too that say no descent: two models that share an initialisation have no true edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmark.edges import MISSED
from benchmark.families import Families
from benchmark.places import Names
from benchmark.reliability import Claim
from benchmark.said import Said
from benchmark.truth import Ends
from lineage.types import Edge, Lineage


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one true edge: `edge` joins its ends, or both are copies in one node (`is_folded`), or neither.

    `is_turned` means that the edge is reversed, or would be if it had a direction.
    """

    ends: Ends
    edge: Edge | None
    is_turned: bool = False
    is_folded: bool = False
    is_word: bool = False

    @property
    def is_joined(self) -> bool:
        """Whether its ends are joined."""
        return self.is_folded or self.edge is not None

    @property
    def is_directed(self) -> bool:
        """Whether they are joined the right way round."""
        return self.is_folded or (self.edge is not None and self.edge.directed and not self.is_turned)

    @property
    def is_typed(self) -> bool:
        """Whether they are, with a relation that is not wrong."""
        return self.is_directed and self.is_word

    @property
    def word(self) -> str:
        """The relation reported."""
        return "one node" if self.is_folded else MISSED if self.edge is None else self.edge.relation


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that was found: its edges, the models behind each node, and what became of each true edge."""

    said: Said
    names: Names
    found: tuple[Found, ...]

    @property
    def models(self) -> frozenset[str]:
        """All models that the index held."""
        return frozenset().union(*self.names.values())

    def named(self, edge: Edge) -> tuple[frozenset[str], frozenset[str]]:
        """The models behind an edge's parent and child; none behind an unobserved one."""
        return self.names.get(edge.parent, frozenset()), self.names.get(edge.child, frozenset())


def nodes_named(lineage: Lineage, names: Names) -> dict[str, frozenset[str]]:
    """The models behind each observed node, with those behind its copies, from the models behind each id."""
    return {
        node.id: frozenset().union(*(names[model] for model in (node.id, *node.copies)))
        for node in lineage.nodes
        if node.observed
    }


def held(said: Said, names: Names, truth: Families) -> Graph:
    """Look for every true edge between two models of the graph."""
    shown = frozenset().union(*names.values())
    edges = sorted(ends for ends in truth.words if shown.issuperset(ends))
    return Graph(said, names, tuple(_found(ends, said, names, truth) for ends in edges))


def _found(ends: Ends, said: Said, names: Names, truth: Families) -> Found:
    parent, child = ends
    words = truth.words[ends]
    above = truth.copies[parent] - {child}  # a copy of the parent stands for it
    if any(child in node and above & node for node in names.values()):
        return Found(ends, None, is_folded=True, is_word="identical" in words)
    ways = [(names.get(edge.parent, frozenset()), names.get(edge.child, frozenset()), edge) for edge in said.values()]
    for is_turned in (False, True):
        for first, second, edge in ways:
            upper, lower = (second, first) if is_turned else (first, second)
            if child in lower and above & upper:
                return Found(ends, edge, is_turned, is_word=edge.relation in words)
    return Found(ends, None)


def directions(graph: Graph, truth: Families) -> Iterator[Claim]:
    """Each direction between two known models: right if the parent is above the child, however far, or passes as it."""
    for edge in graph.said.values():
        parents, children = graph.named(edge)
        if edge.directed and parents and children:
            is_right = any(parents & truth.sources(child) for child in children)
            yield Claim(1.0 if edge.confidence is None else edge.confidence, is_right)


def explained(graph: Graph, truth: Families) -> Iterable[str]:
    """One line for every true edge that is missing or incomplete, and for every false edge."""
    for found in graph.found:
        if not found.is_typed:
            points = found.edge is not None and found.edge.directed
            what = "turned" if points and found.is_turned else "unpointed" if found.is_joined else MISSED
            what = "word" if found.is_directed else what
            yield f"{what:9} {' -> '.join(found.ends)}: {found.word}, not {'|'.join(truth.words[found.ends])}"
    for edge in graph.said.values():
        if all(found.edge is not edge for found in graph.found):
            ends = [min(side, default="(not in the index)") for side in graph.named(edge)]
            yield f"{'false':9} {(' -> ' if edge.directed else ' -- ').join(ends)}: {edge.relation}"
