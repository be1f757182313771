"""The ancestry graph of a whole index: copies folded, merges found, the rest joined into rooted trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from threadpoolctl import threadpool_limits

from lineage.ancestry.arborescence import Arc, cheapest_forest
from lineage.ancestry.arcs import STRANGE, Pairs, Watch, between, is_related, within
from lineage.ancestry.beginnings import is_untrained
from lineage.ancestry.comparison import compare, same_weights
from lineage.ancestry.declarations import declarations
from lineage.ancestry.geometry import Cohort, cohorts
from lineage.ancestry.merges import Mixture, find_mixtures
from lineage.ancestry.roundings import roundings
from lineage.store import Index
from lineage.types import CheckpointSketch, Comparison, Edge, Lineage, Node

Pair = tuple[int, int]

_COMPARED = 3  # arcs into a node that are compared in full
_CUE = 1.0  # cost of going against one cue of direction
_DIRECTED = 0.5  # how much more often one direction must be chosen than the other
_DRAWS = 20
_ROOT_NOISE = 0.05  # differences of cost below this say little about where a tree begins


def graph(
    indexes: Sequence[Index],
    *,
    family_of: str | None = None,
    around: str | None = None,
    watch: Watch | None = None,
) -> Lineage:
    """Ancestry of every model of the indexes, of the family of one (an id), or of one with its neighbours.

    What cards declare plays no part in it; it is added as edges of its own, and held against what was measured.
    `watch(done, total)` counts comparisons.
    """
    sketches = {record.id: index.load(record.id) for index in indexes for record in index.models()}
    groups = fold(list(sketches.values()))
    with threadpool_limits(limits=1, user_api="blas"):  # the products are small: threads would wait for each other
        whole = Lineage(_nodes(groups), tuple(_measured([group[0] for group in groups], watch)))
    declared, contradictions = declarations(whole, groups)
    whole = Lineage(_rooted(whole), (*whole.edges, *declared), contradictions)
    leader = {copy.id: group[0].id for group in groups for copy in group}
    chosen = leader.get(family_of or around or "")
    return whole if chosen is None else _part(whole, chosen, only_neighbours=around is not None)


def fold(sketches: Sequence[CheckpointSketch]) -> list[list[CheckpointSketch]]:
    """Group models of equal weights; each group is one node."""
    groups: dict[tuple[str, ...], list[CheckpointSketch]] = defaultdict(list)
    for sketch in sketches:
        groups[tuple(sorted(t.band_digest for t in sketch.tensors if t.part.generic is None))].append(sketch)
    folded = []
    for alike in groups.values():
        while alike:
            same = [other for other in alike if other is alike[0] or same_weights(alike[0], other)]
            folded.append(same)
            alike = [other for other in alike if other not in same]  # noqa: PLW2901 - what is left of the bucket
    return folded


@dataclass(frozen=True, slots=True)
class _Field:
    """What the arcs of one graph are drawn from."""

    grouped: list[Cohort]
    first: set[int]
    rounded: dict[int, int]
    mixtures: dict[int, Mixture]
    strangers: list[Arc]
    root_costs: dict[int, float]

    def arcs(self, draw: np.random.Generator | None = None) -> list[Arc]:
        """Every possible descent; with `draw`, over tensors drawn again with replacement."""
        arcs = list(self.strangers)
        for cohort in self.grouped:
            count = len(cohort.sizes)
            weights = None
            if draw is not None:
                weights = np.maximum(draw.multinomial(count, np.full(count, 1 / count)).astype(np.float64), 1e-3)
            found = within(cohort, self.first, self.mixtures, weights)
            arcs += [arc for arc in found if arc.parent not in self.rounded and arc.child not in self.rounded]
        # A rounded copy hangs on what it was rounded from; to all others the two are the same model.
        return arcs + [Arc(finer, copy, 0.0) for copy, finer in self.rounded.items()]


def _measured(sketches: list[CheckpointSketch], watch: Watch | None) -> Iterator[Edge]:
    blind = [replace(sketch, declared=()) for sketch in sketches]
    grouped = cohorts(blind)
    rounded = {i: j for cohort in grouped for i, j in roundings(cohort, blind).items()}
    first = {i for i, sketch in enumerate(blind) if is_untrained(sketch)}
    mixtures = {
        c.members[i]: _renumbered(m, c)
        for c in grouped
        for i, m in find_mixtures(c, [k for k, member in enumerate(c.members) if member in rounded]).items()
    }
    pairs = Pairs(blind, watch)
    root_costs = dict.fromkeys(range(len(blind)), STRANGE) | dict.fromkeys([*first, *mixtures], 0.0)
    strangers = [a for a in between(grouped, pairs, mixtures) if a.parent not in rounded and a.child not in rounded]
    field = _Field(grouped, first, rounded, mixtures, strangers, root_costs)
    chosen = cheapest_forest(_cued(_promising(field.arcs(), first), pairs), root_costs)
    support = _support(field, pairs)
    below = _below(first, chosen)
    structure = {member: number for number, cohort in enumerate(grouped) for member in cohort.members}
    for child, arc in sorted(chosen.items()):
        alike = structure.get(arc.parent) == structure.get(child)
        yield _named(_edge(arc, pairs, support), arc.parent in first, alike and child in below)
    for child, mixture in mixtures.items():
        yield from _merge_edges(child, mixture, blind)


def _promising(arcs: Sequence[Arc], first: set[int]) -> list[Arc]:
    """The cheapest few arcs into each node, its reverse, and the cheapest from an initialisation.

    Only these are worth a full comparison.
    """
    into: dict[int, list[Arc]] = defaultdict(list)
    for arc in arcs:
        into[arc.child].append(arc)
    pairs: set[frozenset[int]] = set()
    for found in into.values():
        begun = sorted((arc for arc in found if arc.parent in first), key=_cost)
        pairs |= {frozenset((arc.parent, arc.child)) for arc in [*sorted(found, key=_cost)[:_COMPARED], *begun[:1]]}
    return [arc for arc in arcs if frozenset((arc.parent, arc.child)) in pairs]


def _cost(arc: Arc) -> float:
    return arc.cost


def _cued(arcs: Sequence[Arc], pairs: Pairs) -> list[Arc]:
    """Arcs between related models, dearer where a cue of direction speaks against them.

    What was pruned or quantised has its parent among the models that it can be computed from.
    """
    found = [(arc, pairs.compared(arc.child, arc.parent)) for arc in arcs]
    computed = {arc.child for arc, one in found if _is_computed(one)}
    return [
        replace(arc, cost=arc.cost + _CUE) if one.role == "parent" else arc
        for arc, one in found
        if is_related(one) and (arc.child not in computed or _is_computed(one))
    ]


def _is_computed(found: Comparison) -> bool:
    return found.role == "child" and found.relation in ("pruned", "quantized")


def _support(field: _Field, pairs: Pairs) -> Mapping[Pair, float]:
    """How often each arc is chosen when tensors are drawn again with replacement (bootstrap, Efron 1979)."""
    generator = np.random.default_rng(0)
    counts: dict[Pair, float] = defaultdict(float)
    for _ in range(_DRAWS):
        known = [arc for arc in field.arcs(generator) if pairs.is_known(arc.child, arc.parent)]
        # Where nothing tells the ends of a tree apart, each of its nodes is as likely a root as any other.
        roots = {node: cost + _ROOT_NOISE * generator.gumbel() for node, cost in field.root_costs.items()}
        for arc in cheapest_forest(_cued(known, pairs), roots).values():
            counts[arc.parent, arc.child] += 1 / _DRAWS
    return counts


def _renumbered(mixture: Mixture, cohort: Cohort) -> Mixture:
    return replace(mixture, parents=tuple(cohort.members[p] for p in mixture.parents))


def _below(first: set[int], chosen: Mapping[int, Arc]) -> set[int]:
    """Nodes that descend from an initialisation which is in the index."""
    tree: nx.DiGraph[int] = nx.DiGraph((arc.parent, arc.child) for arc in chosen.values())
    return {node for start in first if start in tree for node in nx.descendants(tree, start)}


def _edge(arc: Arc, pairs: Pairs, support: Mapping[Pair, float]) -> Edge:
    found = pairs.compared(arc.child, arc.parent)
    evidence = found.evidence
    forward, backward = support[arc.parent, arc.child], support[arc.child, arc.parent]
    maps = [c.layer_map for c in found.components if c.layer_map is not None]
    return Edge(
        parent=pairs.sketches[arc.parent].id,
        child=pairs.sketches[arc.child].id,
        relation=found.relation,
        directed=forward - backward >= _DIRECTED,
        source="measured",
        share=found.share,
        r=evidence.r,
        z=evidence.z,
        log10_p=evidence.log10_p,
        confidence=forward,
        basis=found.basis,
        layer_map=maps[0] if maps else None,
    )


def _named(edge: Edge, is_first: bool, is_below: bool) -> Edge:
    """Words that the known initialisation of a family settles.

    What was trained from it shares it; two models that had nothing else in common would be joined through it, so
    the weak likeness of two of its descendants that are neighbours is continued training.
    """
    if is_first:
        return replace(edge, relation="shared-init", basis=(*edge.basis, "the parent is an untrained initialisation"))
    if is_below and edge.relation in ("shared-init", "inconclusive", "component-reused"):
        settled = "the family's initialisation is in the index, and these two are nearer than through it"
        return replace(edge, relation="continued-pretraining", basis=(*edge.basis, settled))
    return edge


def _merge_edges(child: int, mixture: Mixture, sketches: Sequence[CheckpointSketch]) -> Iterator[Edge]:
    for parent, weight in zip(mixture.parents, mixture.weights, strict=True):
        found = compare(sketches[child], sketches[parent])
        yield Edge(
            parent=sketches[parent].id,
            child=sketches[child].id,
            relation="merged",
            directed=True,
            source="measured",
            share=found.share,
            weight=weight,
            r=found.evidence.r,
            z=found.evidence.z,
            log10_p=found.evidence.log10_p,
            confidence=1.0 - mixture.residual,
            basis=(f"{mixture.method}: {mixture.residual:.1%} of the movement is left unexplained",),
        )


def _nodes(groups: Sequence[Sequence[CheckpointSketch]]) -> tuple[Node, ...]:
    return tuple(
        Node(
            id=group[0].id,
            name=group[0].name,
            params=group[0].params,
            aliases=tuple(other.name for other in group[1:]),
            licence=group[0].licence,
        )
        for group in groups
    )


def _rooted(lineage: Lineage) -> tuple[Node, ...]:
    children = {edge.child for edge in lineage.edges if edge.source == "measured"}
    return tuple(replace(node, root=node.id not in children) for node in lineage.nodes)


def _part(whole: Lineage, model: str, *, only_neighbours: bool) -> Lineage:
    joined = nx.Graph((edge.parent, edge.child) for edge in whole.edges)
    joined.add_node(model)
    kept = {model, *joined[model]} if only_neighbours else nx.node_connected_component(joined, model)
    return Lineage(
        tuple(node for node in whole.nodes if node.id in kept),
        tuple(edge for edge in whole.edges if edge.parent in kept and edge.child in kept),
        whole.contradictions,
    )
