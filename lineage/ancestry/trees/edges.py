"""Chosen arcs and merges as edges of the graph."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from statistics import median

import numpy as np

from lineage.ancestry.geometry import FLOOR
from lineage.ancestry.links import Lines, joined
from lineage.ancestry.merge.mixtures import Mixture
from lineage.ancestry.pair.calibration import calibration
from lineage.ancestry.trees.arcs import Arc
from lineage.ancestry.trees.common_parts import replaced_outside
from lineage.ancestry.trees.component_sources import other_sources, part_edges, without_sources
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.pairs import Pairs
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.rooting import Opposed, may_have_begun_together, root_odds
from lineage.ancestry.trees.search import Search, Support
from lineage.ancestry.trees.triples import above
from lineage.types import Direction, Edge, Relation
from lineage.types.facts.descent import (
    FromInitialisation,
    InferredParent,
    MergeAlternatives,
    MergeResidual,
    NearerThanInitialisation,
    PutTogether,
)

UNOBSERVED = "unobserved-"  # prefix of the id of a node that is not a model of the index
_ALL = 0.1  # how far a held share may lie off 1, since training goes on: 0.02 in the practice zoo
_HUB = 10  # least children of a hub: at most one of them is its parent, so nine of ten directions are right
_YOUNGER = 0.9  # least probability that the root of a tree is not below a child of a hub: nine of ten are right
_PARTS = 0.5  # of the way to another child: what parts at the hub holds none of it, what parts there all
_NO_WAY = 1e-5  # -log r that rounding alone gives
_NEARER = 3.0  # ratio of distances to the next merge and to this: 1.1 and 2.4 for false ones, 9 for the true one
_PRUNED = 0.05  # difference of the shares of zeros of a pruned model and of its source
_MORE = 0.02  # the same of two copies that were pruned alike, at most
_TOGETHER = 0.5  # cosine of two movements above which they part later: that of two siblings, seen from a third
_BETWEEN = 1.0  # greatest uncertainty of a share that may be the whole way
_DIRECTED = 0.5  # least difference of the bootstrap support of the two directions
_SURE = 0.7  # least probability of a direction


def measured_edges(search: Search) -> Iterator[Edge]:
    """Every edge that a search finds: of its trees, of merges, and of components from other sources.

    Edges between models that were placed by an earlier search are not repeated.
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
    """Undirected edges into a model that the tree lacks: those of trees over resampled tensors, and from farther up.

    The tree joins what lies nearest. A sibling trained on the same data, or an average of a run, lies nearer than the
    parent, which is then farther up. The confidence of each is the share of resampled trees that have it.
    """
    tree, support = search.forest
    here = tree.get(child)
    drawn = sorted(parent for parent, other in support if other == child)
    for parent in dict.fromkeys([*drawn, *above(child, tree, search.merged)]):
        is_new = parent not in search.field.missing and (here is None or here.parent != parent)
        if is_new and search.field.pairs.compared(child, parent).relation.is_told_by_two:
            yield _edge(Arc(parent, child, 0.0), search.field, support, None)


def going_together(search: Search) -> set[int]:
    """Children of roots with as many as a hub has that have a common way with another child of the same root.

    One of the two may be a merge that was not looked for: the root is a hub without it.
    """
    tree, _ = search.forest
    below: dict[int, list[int]] = defaultdict(list)
    for child, arc in sorted(tree.items()):
        below[arc.parent].append(child)
    roots = [node for node, children in below.items() if node not in tree and len(children) >= _HUB]
    return {child for root in roots for child in _with_common_ways(root, below[root], search.field)}


def _with_common_ways(node: int, children: Sequence[int], field: Field) -> set[int]:
    """The children of a node's own structure of which two or more moved the same way from it.

    What kept some components and has others of its own did not move: any two of those lack the same weights.
    """
    alike = [child for child in children if field.have_one_trunk(child, node) and not _is_in_part(child, node, field)]
    together = (field.cosines(node, alike) > _TOGETHER) & ~np.eye(len(alike), dtype=bool)
    return {alike[k] for k in np.flatnonzero(together.any(axis=1)).tolist()}


def _is_in_part(child: int, node: int, field: Field) -> bool:
    """Whether a child has only some of its components from a node."""
    if {child, node} & field.missing.keys():
        return False
    return field.pairs.compared(child, node).relation == Relation.COMPONENT_REUSED


def _below(first: frozenset[int], chosen: Tree) -> set[int]:
    """Nodes that descend from an initialisation of the index."""
    tree = Lines((arc.parent, arc.child) for arc in chosen.values())
    return {node for start in first if start in tree for node in tree.beyond(start)}


def _word(arc: Arc, field: Field) -> Relation:
    """The relation of an arc, corrected by what the graph knows of the two: which was rounded, which was trained."""
    relation = field.pairs.compared(arc.child, arc.parent).relation
    if relation == Relation.QUANTIZED and arc.child in field.heirs(arc.parent):
        return _tuned(field.correlation(arc.child, arc.parent))
    if relation.trains and field.is_on_levels(arc.child) and field.rounded.get(arc.child) == arc.parent:
        return Relation.QUANTIZED
    return relation


def _tuned(r: float | None) -> Relation:
    return Relation.FINE_TUNED if (r or 0.0) >= calibration().fine_tuned_r else Relation.CONTINUED_PRETRAINING


def directed(tree: Tree, search: Search, support: Support) -> dict[int, float]:
    """The children in a tree whose direction is known, with the probability that each is the younger of the two.

    The direction is known for children of an initialisation, and of the base to which merged differences were taken;
    for models that can be computed from their parent, or that hold its rounding error; for what was trained from a
    merge; and for the children of a hub, each with the probability that the root of the tree is not among those below
    it. Below a model that was computed everything is younger too, since the root must lie on the other side; below one
    that was trained, what has its weights in another structure.
    A direction derived from another model is no more certain than the place of that model, given by `support`.
    """
    field, pairs = search.field, search.field.pairs
    below: dict[int, list[int]] = defaultdict(list)
    for child, arc in tree.items():
        below[arc.parent].append(child)
    observed = [(c, a.parent) for c, a in tree.items() if not {c, a.parent} & field.missing.keys()]
    compared = (ends for ends in observed if pairs.is_known(*ends))
    computed = {child for child, parent in compared if pairs.certain_direction(child, parent) == Direction.CHILD}
    known = [child for node in (*field.first, *field.missing) for child in below[node]]
    known += [c for c, arc in tree.items() if c in field.missing or arc.parent in field.missing]
    known += [c for c, arc in tree.items() if c in field.rounded or c in field.heirs(arc.parent)]
    known += computed
    merged = [
        (node, child)
        for node in search.merged
        for child in below[node]
        if _is_of_one_merge(child, node, search) and _holds_merge(child, node, search, tree)
    ]
    made = computed | field.rounded.keys()
    roots = [node for node in below if node not in tree] if search.is_whole else []  # of a part, any is near its root
    hubs = [node for node in roots if node not in field.missing and _is_hub(node, below[node], field)]
    trained = {child: odds for hub in hubs for child, odds in _younger_than(hub, tree, search)}
    trained |= {child: support.get((node, child), 0.0) for node, child in merged}
    trained |= {c: 1.0 for c, arc in tree.items() if (arc.parent, c) in search.begun}

    def hangs_on(child: int, parent: int) -> bool:
        before = tree[parent].parent
        return (
            not _rounds_to(child, parent, pairs)
            and not _is_pruned_further(child, parent, before, field)
            and (parent not in made or _holds(child, parent, before, field))
        )

    def goes_on(child: int, parent: int) -> bool:
        # A copy of few bits of a model that is not in the index lies where that model does, but is no one's parent.
        if field.is_on_levels(parent) and parent not in made:
            return False
        unobserved = {child, parent} & field.missing.keys()
        if parent not in made and not unobserved and _is_trained_beside(child, parent, field):
            return False
        goes = hangs_on(child, parent) and _goes_on(child, parent, tree[parent].parent, field)
        return goes and not _is_bypassed(parent, child, below[parent], field)

    surely = made | field.missing.keys()
    found = _spread(dict.fromkeys(known, 1.0), below, support, surely, hangs_on)
    others = _spread(trained, below, support, surely, goes_on)
    return {child: max(found.get(child, 0.0), others.get(child, 0.0)) for child in found.keys() | others.keys()}


def _spread(
    begun: Mapping[int, float],
    below: Mapping[int, Sequence[int]],
    support: Support,
    surely: Collection[int],
    hangs_on: Callable[[int, int], bool],
) -> dict[int, float]:
    """Younger children with their probabilities: those in `begun`, and those further `below` that depend on them.

    The place of a node in `surely` is known; that of any other is only as certain as its `support`.
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
    """Whether every other merge lies clearly farther from a model: tuning may also move towards other merges."""
    own, *others = (
        1.0 - (search.field.correlation(child, one) or 0.0) for one in (merge, *(search.merged.keys() - {merge, child}))
    )
    return all(other >= _NEARER * own for other in others)


def _holds_merge(child: int, merge: int, search: Search, tree: Tree) -> bool:
    """Whether a model holds all of a merge's movement from each of its parents, and from the models above these.

    A merge of the same models and of one that is not in the index holds some of it.
    """
    parents = search.merged[merge]
    origins = {*parents, *(tree[parent].parent for parent in parents if parent in tree)} - {child, merge}
    held = (search.field.held_movement(child, merge, origin) for origin in sorted(origins))
    return all(_is_all(*one) for one in held if one is not None)


def _is_hub(node: int, children: Sequence[int], field: Field) -> bool:
    """Whether a root has so many children, most of them of its own structure, that it is the parent of nearly all.

    Their movements must part at the root. If the others hold some of the movement from one of them to the root, they
    part earlier, at a model that is not in the index, and the root is a sibling that lies near it. If two have a common
    way, they part later. If none has kept its head, it may be a model of which only that was trained: a sibling too,
    with the layers of a parent that is not in the index.
    """
    alike = [child for child in children if field.have_one_trunk(child, node)]
    if len(children) < _HUB or 2 * len(alike) <= len(children) or Opposed(field, node, alike).against(None) > 0.0:
        return False
    trained = (child for child in children if child not in field.rounded.keys() | field.missing.keys())
    if replaced_outside(field.sketches[node], (field.sketches[child] for child in trained)):
        return False
    if _with_common_ways(node, children, field):
        return False
    return all(median(shares) <= _ALL for shares in field.held_by_others(node, alike) if shares)


def _younger_than(hub: int, tree: Tree, search: Search) -> Iterator[tuple[int, float]]:
    """The children that surely hang on a hub, with the probability that the root is not among those below each."""
    lines = [(arc.parent, child) for child, arc in sorted(tree.items())]
    own = next(group for group in joined(lines) if hub in group)
    lines = [ends for ends in lines if ends[0] in own]
    odds, beyond = root_odds(lines, search.field, search.begun), Lines(lines)
    children = [c for p, c in lines if p == hub and c not in search.field.missing]
    trained = [child for child in children if child not in search.field.rounded]
    for child in children:
        younger = 1.0 - sum(odds[one] for one in {child, *beyond.beyond(child)})
        if younger >= _YOUNGER and _hangs_on_hub(child, hub, trained, search.field):
            yield child, younger


def _hangs_on_hub(child: int, hub: int, others: Sequence[int], field: Field) -> bool:
    """Whether a child of another structure parts from the hub's other children at the hub, not farther on their way.

    In the matrices that it has in common with them, it holds none of their ways then. Without such matrices, distances
    (-log r) tell, which add up along the way: it lies farther from another child than from the hub by that one's
    distance from the hub, if it parts there, and as much nearer if it parts at that child.
    """
    if field.have_one_trunk(child, hub):
        return True
    beside = [one for one in others if one != child and field.have_one_trunk(one, hub)]
    return all(_parts_at(hub, child, one, field) for one in beside)


def _parts_at(hub: int, child: int, other: int, field: Field) -> bool:
    held = field.held_in_common(child, other, hub)
    if held is not None:
        return held[0] > -_ALL and held[0] + 3.0 * held[1] < _PARTS  # what moved against it has another parent
    way = _distance(hub, other, field)
    return way <= _NO_WAY or _distance(child, other, field) - _distance(child, hub, field) >= _PARTS * way


def _distance(left: int, right: int, field: Field) -> float:
    return -math.log(max(field.correlation(left, right) or 0.0, FLOOR))


def _holds(child: int, copy: int, source: int, field: Field) -> bool:
    """Whether a model holds the whole difference between a computed copy and its source.

    Training does not restore what pruning or rounding removed, whereas another copy of the source holds some of it.
    Where the difference cannot be measured, a new structure of the copy is accepted instead; a copy with other values
    only (re-encoded, quantized, pruned) is not.
    """
    held = field.held_movement(child, copy, source)
    if held is None:
        return source in field.missing or not field.pairs.compared(copy, source).relation.is_by_values
    return _is_all(*held)


def _rounds_to(child: int, parent: int, pairs: Pairs) -> bool:
    """Whether a supposed parent can be computed from parts of the child, which has them in a finer type."""
    found, is_straight = pairs.either(child, parent)
    way = Direction.PARENT if is_straight else Direction.CHILD
    return any(cue.name == "computable" and cue.direction == way for cue in found.cues)


def _is_pruned_further(child: int, parent: int, before: int, field: Field) -> bool:
    """Whether a model has more zeros than its supposed parent, which was pruned itself.

    Both may have been pruned from other models: the smallest weights of relatives are the same.
    """
    first, then, own = (field.zeros(model) for model in (before, parent, child))
    return then > first + _PRUNED and own > then + _MORE


def _is_all(share: float, error: float) -> bool:
    """Whether a held share of a movement is the whole, within its error or what later training changes."""
    return abs(share - 1.0) <= max(_ALL, 3.0 * error)


def _goes_on(child: int, parent: int, before: int, field: Field) -> bool:
    """Whether a model holds exactly its parent's movement from `before`, within 3 standard errors.

    A sibling holds less of it: it parted earlier. The end of a run holds more of the movement to the run's average: it
    went further the same way. Of a model with other shapes, the matrices that all three have in common tell; where the
    parent did not move in these, as in adapters of attention beside a child whose heads were removed, only a structure
    that the parent has and `before` has not.
    """
    held = field.held_movement(child, parent, before)
    if held is None and field.have_equal_layers(parent, before):
        return False
    held = held or field.held_in_common(child, parent, before)
    if held is None:
        return before in field.missing or not field.have_one_trunk(parent, before)
    return abs(held[0] - 1.0) <= 3.0 * held[1]


def _is_trained_beside(child: int, parent: int, field: Field) -> bool:
    """Whether a model of a trained one's structure has other weights: it then need not come from that one.

    The trained one may be an average of this and of models that are not in the index: their ways point away from it at
    right angles to its own, as those of its children do. Or this one moved farther on similar data, by which it holds
    a gentle sibling's way. The structure is the same under other names, too. Of two with the same layers, one with
    another head or a vocabulary that was cut or grown, either may have been made of the other.
    """
    relation = field.pairs.compared(child, parent).relation
    return field.have_one_trunk(child, parent) or relation.trains or relation == Relation.ADAPTER_MERGED


def _is_bypassed(parent: int, child: int, beside: Sequence[int], field: Field) -> bool:
    """Whether a child holds the whole way from its parent to another child: the other lies between the two.

    The parent may then be a copy with noise of a model that is not in the index, of which another child has the layers.
    """
    ways = (field.held_movement(child, other, parent) for other in beside if other != child)
    return any(abs(way[0] - 1.0) <= 3.0 * way[1] < _BETWEEN for way in ways if way is not None)


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
    """Whether only the shape of the tree gives a direction, for a pair that may not be a descent at all."""
    found = search.field.pairs.compared(child, parent)
    if parent in search.field.first:
        return False
    if may_have_begun_together(search.field, child, parent):
        return True
    # Disguised models do not correspond by position: their place in the tree is a guess, only the pair gives direction.
    is_guess = found.relation in (Relation.COMPONENT_REUSED, Relation.DISGUISED)
    return is_guess and not found.is_directed and not search.field.have_one_trunk(child, parent)


def _missing_edge(arc: Arc, field: Field) -> Edge:
    """An edge from or to a parent that is not in the index: its place is inferred, not compared."""
    missing = field.missing.get(arc.parent) or field.missing[arc.child]
    r = field.correlation(arc.child, arc.parent)
    begun = arc.parent in field.first
    return Edge(
        parent=_id(arc.parent, field),
        child=_id(arc.child, field),
        relation=Relation.SHARED_INIT if begun else _tuned(r),
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
    """The edge with the relation that a known initialisation of the family implies.

    Children of the initialisation share it. Two descendants with nothing else in common would each be joined to the
    initialisation, so a weak similarity of two that are neighbours in the tree is continued pretraining.
    """
    if is_first:
        return replace(edge, relation=Relation.SHARED_INIT, basis=(*edge.basis, FromInitialisation()))
    if is_below and edge.relation.is_beginning:
        return replace(edge, relation=Relation.CONTINUED_PRETRAINING, basis=(*edge.basis, NearerThanInitialisation()))
    return edge


def _parents(mixture: Mixture, tree: Tree, merged: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """The parents of a merge, without the base of its differences if the other parents descend from that.

    If the sum does not identify its base, a term from which all others descend in the tree is the base.
    """
    lines = {parent: {*above(parent, tree, merged)} for parent in mixture.parents}
    origin = mixture.origin
    if origin is None and mixture.method == "task arithmetic" and len(lines) > 2:
        origin = next((one for one in lines if all(one in line for other, line in lines.items() if other != one)), None)
    others = tuple(parent for parent in mixture.parents if parent != origin)
    bases = {origin, *(other for parent, other in mixture.alternatives if parent == origin)}
    return others if all(bases & lines[parent] for parent in others) else mixture.parents


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
            relation=Relation.MERGED,
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
