"""Chosen arcs and merges as edges of the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from statistics import median

from lineage.ancestry.links import Lines
from lineage.ancestry.merge.mixtures import Mixture
from lineage.ancestry.pair.calibration import calibration
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.component_sources import other_sources, part_edges, without_sources
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.pairs import Pairs
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.rooting import Opposed, may_have_begun_together
from lineage.ancestry.trees.search import Search, Support
from lineage.ancestry.trees.triples import above
from lineage.types import Edge, Relation
from lineage.types.facts.descent import (
    FromInitialisation,
    InferredParent,
    MergeAlternatives,
    MergeResidual,
    NearerThanInitialisation,
    PutTogether,
)
from lineage.types.relations import FOUND, TRAINED

UNOBSERVED = "unobserved-"  # how the id of a node begins that no model of the index is
_BY_VALUES: tuple[Relation, ...] = ("re-encoded", "quantized", "pruned")
_ALL = 0.1  # how far the share may lie off 1, as training moves on: 0.02 in the practice zoo
_HUB = 10  # children of a root, at most one of which can be its parent: nine in ten are told right at least
_NEARER = 3.0  # times as far another merge must lie: 1.1 and 2.4 of false ones, 9 of the true one
_DIRECTED = 0.5  # how much more often one direction must be chosen than the other
_SURE = 0.7  # least probability of a direction that hangs on where another model stands


def measured_edges(search: Search) -> Iterator[Edge]:
    """Every edge that a search finds: of its trees, of merges, of components from elsewhere.

    Edges between models that had their place before are not repeated.
    """
    tree, support = search.forest
    sources = other_sources(search, tree)
    tree = without_sources(tree, sources)
    below = _below(search.field.first, tree)
    told = directed(tree, search, support)
    for child, arc in sorted(tree.items()):
        if child in search.field.missing or arc.parent in search.field.missing:
            yield _missing_edge(arc, search.field)
        elif search.field.is_open([child, arc.parent]):
            alike = search.field.have_one_structure(arc.parent, child)
            certainty = None if _is_open(child, arc.parent, search) else told.get(child)
            edge = _edge(arc, search.field, support, certainty)
            if child in sources:
                edge = replace(edge, directed=True, basis=(*edge.basis, PutTogether()))
            yield _named(edge, is_first=arc.parent in search.field.first, is_below=alike and child in below)
    for child, mixture in search.mixtures.items():
        yield from _merge_edges(child, mixture, _parents(mixture, tree, search.merged), search.field.pairs)
    yield from part_edges(sources, search.field.pairs)


def rivals(search: Search, child: int) -> Iterator[Edge]:
    """Edges into a model that its tree does not have and trees over tensors drawn again have, none of them directed.

    Their confidence is how often each is chosen.
    """
    tree, support = search.forest
    here = tree.get(child)
    for (parent, other), _ in sorted(support.items()):
        is_new = other == child and parent not in search.field.missing and (here is None or here.parent != parent)
        if is_new and search.field.pairs.compared(child, parent).relation in FOUND:
            yield _edge(Arc(parent, child, 0.0), search.field, support, None)


def _below(first: frozenset[int], chosen: Tree) -> set[int]:
    """Nodes that descend from an initialisation which is in the index."""
    tree = Lines((arc.parent, arc.child) for arc in chosen.values())
    return {node for start in first if start in tree for node in tree.beyond(start)}


def _word(arc: Arc, field: Field) -> Relation:
    """The word of a pair, put right by what the tree knows: which of two was rounded, which was trained."""
    relation = field.pairs.compared(arc.child, arc.parent).relation
    if relation == "quantized" and arc.child in field.heirs(arc.parent):
        return _tuned(field.correlation(arc.child, arc.parent))
    if relation in TRAINED and field.is_on_levels(arc.child) and field.rounded.get(arc.child) == arc.parent:
        return "quantized"
    return relation


def _tuned(r: float | None) -> Relation:
    return "fine-tuned" if (r or 0.0) >= calibration().fine_tuned_r else "continued-pretraining"


def directed(tree: Tree, search: Search, support: Support) -> dict[int, float]:
    """The children of a tree that are known to be the younger end of their arc, with the probability of that.

    That is so of what can be computed from its parent, or holds its rounding error; of all that hangs on such a model
    or on a merge, since the tree then begins on the other side; of what hangs on an initialisation, or on the base of
    differences that were merged. A model on which m others hang is the child of one of them at most: 1 - 1/m; below
    those is told what holds all of their way.
    What is known by way of another model is no surer than that one's own place, of which `support` tells.
    """
    field, pairs = search.field, search.field.pairs
    below: dict[int, list[int]] = defaultdict(list)
    for child, arc in tree.items():
        below[arc.parent].append(child)
    observed = [(c, a.parent) for c, a in tree.items() if not {c, a.parent} & field.missing.keys()]
    computed = {c for c, parent in observed if pairs.is_known(c, parent) and pairs.certain_role(c, parent) == "child"}
    known = [child for node in (*field.first, *field.missing) for child in below[node]]
    known += [c for c, arc in tree.items() if c in field.missing or arc.parent in field.missing]
    known += [c for c, arc in tree.items() if (arc.parent, c) in search.begun]
    known += [c for c, arc in tree.items() if c in field.rounded or c in field.heirs(arc.parent)]
    known += computed
    merged = [(node, child) for node in search.merged for child in below[node] if _is_of_one_merge(child, node, search)]
    begun = {child: support.get((node, child), 0.0) for node, child in merged}
    begun |= dict.fromkeys(known, 1.0)
    made = computed | field.rounded.keys()
    hubs = [node for node in below if node not in tree and _is_hub(node, below[node], field)]
    likely = {child: 1.0 - 1.0 / len(below[hub]) for hub in hubs for child in below[hub]}

    def hangs_on(child: int, parent: int) -> bool:
        return parent not in made or _holds(child, parent, tree[parent].parent, field)

    def goes_on(child: int, parent: int) -> bool:
        return hangs_on(child, parent) and _goes_on(child, parent, tree[parent].parent, field)

    surely = made | field.missing.keys()
    found = _spread(begun, below, support, surely, hangs_on)
    others = _spread(likely, below, support, surely, goes_on)
    return {child: max(found.get(child, 0.0), others.get(child, 0.0)) for child in found.keys() | others.keys()}


def _spread(
    begun: Mapping[int, float],
    below: Mapping[int, Sequence[int]],
    support: Support,
    surely: Collection[int],
    hangs_on: Callable[[int, int], bool],
) -> dict[int, float]:
    """Children that are younger, with the probability of it, and those further `below` that hang on them.

    The place of those in `surely` is known, that of others as well as their `support`.
    """
    found, waiting = dict(begun), list(begun)
    above = {child: parent for parent, children in below.items() for child in children}
    while waiting:
        child = waiting.pop()
        is_placed = child in surely
        sure = found[child] if is_placed else min(found[child], support.get((above[child], child), 0.0))
        for next_ in below.get(child, ()):
            if found.get(next_, 0.0) < sure and hangs_on(next_, child):
                found[next_] = sure
                waiting.append(next_)
    return found


def _is_of_one_merge(child: int, merge: int, search: Search) -> bool:
    """Whether no other merge lies nearly as near to a model: what was tuned moves to where other merges are, too."""
    own, *others = (
        1.0 - (search.field.correlation(child, one) or 0.0) for one in (merge, *(search.merged.keys() - {merge, child}))
    )
    return all(other >= _NEARER * own for other in others)


def _is_hub(node: int, children: Sequence[int], field: Field) -> bool:
    """Whether so many models hang on a root, most of them of its own structure, that it is the parent of nearly all.

    Their ways part at it: where the others hold some of the way to one of them, they part before it, at a model that is
    not here, and the root is a sibling that lies near to that.
    """
    alike = [child for child in children if field.have_one_trunk(child, node)]
    if len(children) < _HUB or 2 * len(alike) <= len(children) or Opposed(field, node, alike).against(None) > 0.0:
        return False
    held = {child: [field.held_movement(z, child, node) for z in alike if z != child] for child in alike}
    return all(median(one[0] for one in shares if one is not None) <= _ALL for shares in held.values() if any(shares))


def _holds(child: int, copy: int, source: int, field: Field) -> bool:
    """Whether a model holds what a computed copy does not share with its source, all of it.

    What was cut off or rounded in the copy comes back by no training: another copy of the source holds some of it.
    Where that cannot be told, the structure that the copy was given tells; values that were only rounded do not.
    """
    held = field.held_movement(child, copy, source)
    if held is None:
        return source in field.missing or field.pairs.compared(copy, source).relation not in _BY_VALUES
    return abs(held[0] - 1.0) <= max(_ALL, 3.0 * held[1])


def _goes_on(child: int, parent: int, before: int, field: Field) -> bool:
    """Whether a model holds its parent's way and no more of it, as far as errors tell.

    A sibling parts from it before, and an average of a run lies on the way of its end, which went further. Where the
    parent did not move in its layers, they tell nothing.
    """
    held = field.held_movement(child, parent, before)
    if held is None:
        return not field.have_equal_layers(parent, before)
    return abs(held[0] - 1.0) <= 3.0 * held[1]


def _edge(arc: Arc, field: Field, support: Mapping[tuple[int, int], float], certainty: float | None) -> Edge:
    pairs = field.pairs
    found = pairs.compared(arc.child, arc.parent)
    evidence = found.evidence
    forward, backward = (support.get(ends, 0.0) for ends in ((arc.parent, arc.child), (arc.child, arc.parent)))
    maps = [c.layer_map for c in found.components if c.layer_map is not None]
    return Edge(
        parent=pairs.sketches[arc.parent].id,
        child=pairs.sketches[arc.child].id,
        relation=_word(arc, field),
        directed=certainty is not None and certainty >= _SURE and forward - backward >= _DIRECTED,
        source="measured",
        share=found.share,
        r=evidence.r,
        z=evidence.z,
        log10_p=evidence.log10_p,
        confidence=forward if certainty is None else min(forward, certainty),
        basis=found.basis,
        layer_map=maps[0] if maps else None,
    )


def _is_open(child: int, parent: int, search: Search) -> bool:
    """Whether nothing but the shape of the tree tells a direction, of what may as well be no descent at all."""
    found = search.field.pairs.compared(child, parent)
    if parent in search.field.first:
        return False
    if may_have_begun_together(search.field, child, parent):
        return True
    # In disguise nothing corresponds by place: where it hangs among its kin is a guess, the pair alone tells which way.
    is_guess = found.relation in ("component-reused", "disguised") and not search.field.have_one_trunk(child, parent)
    return is_guess and found.role not in ("child", "parent")


def _missing_edge(arc: Arc, field: Field) -> Edge:
    """An edge from or to a parent that is not in the index: its place is inferred, it was compared with nothing."""
    missing = field.missing.get(arc.parent) or field.missing[arc.child]
    r = field.correlation(arc.child, arc.parent)
    begun = arc.parent in field.first
    return Edge(
        parent=_id(arc.parent, field),
        child=_id(arc.child, field),
        relation="shared-init" if begun else _tuned(r),
        directed=True,
        source="measured",
        r=r,
        confidence=missing.shared,
        basis=(InferredParent(len(missing.children), missing.shared),),
    )


def _id(number: int, field: Field) -> str:
    """Id of a node; an unobserved one is named after its children."""
    if number not in field.missing:
        return field.sketches[number].id
    children = "\n".join(field.sketches[child].id for child in field.missing[number].children)
    return f"{UNOBSERVED}{blake2b(children.encode(), digest_size=8).hexdigest()}"


def _named(edge: Edge, *, is_first: bool, is_below: bool) -> Edge:
    """Words that the known initialisation of a family settles.

    What was trained from it shares it; two models that had nothing else in common would be joined through it, so
    the weak likeness of two of its descendants that are neighbours is continued training.
    """
    if is_first:
        return replace(edge, relation="shared-init", basis=(*edge.basis, FromInitialisation()))
    if is_below and edge.relation in ("shared-init", "inconclusive"):
        return replace(edge, relation="continued-pretraining", basis=(*edge.basis, NearerThanInitialisation()))
    return edge


def _parents(mixture: Mixture, tree: Tree, merged: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """The parents of a merge; the base to which differences were taken is none where all others descend from it."""
    others = tuple(parent for parent in mixture.parents if parent != mixture.origin)
    bases = {mixture.origin, *(other for parent, other in mixture.alternatives if parent == mixture.origin)}
    is_told = all(bases & {*above(parent, tree, merged)} for parent in others)
    return others if is_told else mixture.parents


def _merge_edges(child: int, mixture: Mixture, parents: Sequence[int], pairs: Pairs) -> Iterator[Edge]:
    names = {other: pairs.sketches[other].name for _, other in mixture.alternatives}
    for place, (parent, weight) in enumerate(zip(mixture.parents, mixture.weights, strict=True)):
        if parent not in parents:
            continue
        found = pairs.compared(child, parent)
        instead = [names[other] for one, other in mixture.alternatives if one == parent]
        yield Edge(
            parent=pairs.sketches[parent].id,
            child=pairs.sketches[child].id,
            relation="merged",
            directed=True,
            source="measured",
            share=found.share,
            weight=weight,
            r=found.evidence.r,
            z=found.evidence.z,
            log10_p=found.evidence.log10_p,
            confidence=min(1.0, 1.0 - mixture.residual),
            basis=(
                MergeResidual(mixture.method, mixture.residual),
                *([MergeAlternatives(tuple(instead))] if instead else []),
            ),
            layer_map=mixture.layer_maps[place] if mixture.layer_maps else None,
        )
