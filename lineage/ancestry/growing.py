"""Incremental growth of a graph: a new model is placed among its neighbours, everything else is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lineage.ancestry.candidates import candidates
from lineage.ancestry.folding import aliases
from lineage.ancestry.layouts import in_one_layout
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.pairs import Watch
from lineage.ancestry.trees.search import Search
from lineage.sketch.layouts import names_of, same_weights
from lineage.store import Index
from lineage.types import CheckpointSketch, Edge, Lineage, ModelRecord

_FEW = 20  # new models above which the whole graph is searched again
_MOST_NEIGHBOURS = 64  # neighbours of a new model that are searched with it: bounds the cost


def is_little(known: Lineage, records: Mapping[str, ModelRecord]) -> bool:
    """Whether an earlier graph needs few additions only; False if models were removed or have new layouts."""
    there = _placed(known)
    if not there <= records.keys() or len(records.keys() - there) > _FEW:
        return False
    observed = (node for node in known.nodes if node.observed)
    return all(node.aliases == aliases([records[model] for model in (node.id, *node.copies)]) for node in observed)


def _placed(known: Lineage) -> set[str]:
    return {model for node in known.nodes if node.observed for model in (node.id, *node.copies)}


def grown(
    known: Lineage, indexes: Sequence[Index], homes: Mapping[str, Index], watch: Watch | None
) -> tuple[list[list[str]], list[Edge]] | None:
    """Groups of equal models (ids) and measured edges, with every new model placed.

    `homes` gives the index that holds each model. None if the whole graph must be searched again: a new copy shows how
    one layout translates into another, which may relate models that are placed already, or a new model comes above
    others of which it was open which came first.
    """
    groups = [[node.id, *node.copies] for node in known.nodes if node.observed]
    edges = [edge for edge in known.edges if edge.source == "measured"]
    placed = _placed(known)
    for model in [model for model in homes if model not in placed]:
        own = homes[model].layouts(model)
        leaders = {copy: group[0] for group in groups for copy in group}
        near = [leaders[m] for index in indexes for m in candidates(own[0], index) if m in leaders]
        # Unobserved parents are nodes of the graph, but not in the index.
        beside = [m for m in _neighbourhood(dict.fromkeys(near), edges) if m in homes]
        copies = {group[0]: group for group in groups}
        around = [[one for copy in copies[m] for one in homes[copy].layouts(copy)] for m in beside]
        twin = next((i for i, others in enumerate(around) if same_weights(own[0], others[0])), None)
        if twin is not None:
            if {*map(names_of, own)} - {*map(names_of, around[twin])}:
                return None
            copies[beside[twin]].append(model)
            continue
        groups.append([model])
        new = _edges_of([*around, own], edges, watch)
        if any(edge.parent == own[0].id for edge in new) and _has_open(edges, beside):
            return None
        edges = _with(edges, new)
    return groups, edges


def _has_open(edges: Sequence[Edge], models: Collection[str]) -> bool:
    """Whether the direction between two of these models is not known: one that comes above them may tell it."""
    return any(not edge.directed and {edge.parent, edge.child} <= {*models} for edge in edges)


def _neighbourhood(near: Collection[str], edges: Sequence[Edge]) -> list[str]:
    """The nearest models, then the roots above them, then their parents and children; `_MOST_NEIGHBOURS` at most."""
    above: dict[str, list[str]] = defaultdict(list)
    beside: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        above[edge.child].append(edge.parent)
        beside[edge.child].append(edge.parent)
        beside[edge.parent].append(edge.child)
    chosen = dict.fromkeys(near)
    roots = dict.fromkeys(_root(model, above) for model in near)
    chosen |= roots | dict.fromkeys(other for model in near for other in beside[model])
    return list(chosen)[:_MOST_NEIGHBOURS]


def _root(model: str, above: Mapping[str, Sequence[str]]) -> str:
    seen = {model}
    while model in above and (parent := above[model][0]) not in seen:
        model = parent
        seen.add(model)
    return model


def _edges_of(groups: Sequence[Sequence[CheckpointSketch]], edges: Sequence[Edge], watch: Watch | None) -> list[Edge]:
    """Every edge between the new model (the last group of copies) and its neighbours."""
    models = in_one_layout(groups)
    place = {model.id: i for i, model in enumerate(models[:-1])}
    above: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if edge.component is None:
            above[edge.child].append(edge.parent)
    settled = {i: [place[p] for p in above[m]] if all(p in place for p in above[m]) else None for m, i in place.items()}
    sketches = [replace(model, declared=()) for model in models]
    search = Search(sketches, watch, settled)
    misplaced = {
        model for model, parents in settled.items() for p in parents or () if model in search.merged.get(p, ())
    }
    if misplaced:  # the new model shows that a parent of theirs is a merge of theirs
        kept = {model: parents for model, parents in settled.items() if model not in misplaced}
        search = Search(sketches, watch, kept)
    return list(measured_edges(search))


def _with(edges: Sequence[Edge], new: Sequence[Edge]) -> list[Edge]:
    """All edges; the earlier edges into a child are replaced if the new ones give it a parent."""
    moved = {edge.child for edge in new if edge.component is None}
    return [edge for edge in edges if edge.child not in moved or edge.component is not None] + list(new)
