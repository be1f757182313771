"""A graph that grows: a new model is placed among its neighbours, everything else stays as it was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lineage.ancestry.pairwise.comparison import same_weights
from lineage.ancestry.placing import candidates
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.pairs import Watch
from lineage.ancestry.trees.search import Search
from lineage.store import Index
from lineage.types import CheckpointSketch, Edge, Lineage

_FEW = 20  # new models, from which on it is better to draw the whole graph again
_MOST_NEIGHBOURS = 64


def is_little(known: Lineage, records: Collection[str]) -> bool:
    """Whether an earlier graph needs few additions; it is no use if it has models that are gone."""
    there = _placed(known)
    return there <= set(records) and len(set(records) - there) <= _FEW


def _placed(known: Lineage) -> set[str]:
    return {model for node in known.nodes if node.observed for model in (node.id, *node.copies)}


def grown(
    known: Lineage, indexes: Sequence[Index], homes: Mapping[str, Index], watch: Watch | None
) -> tuple[list[list[str]], list[Edge]]:
    """Groups of equal models (ids) and measured edges, with every model that is new put in its place.

    `homes` gives the index that holds each model.
    """
    groups = [[node.id, *node.copies] for node in known.nodes if node.observed]
    edges = [edge for edge in known.edges if edge.source == "measured"]
    placed = _placed(known)
    for model in [model for model in homes if model not in placed]:
        sketch = homes[model].load(model)
        leaders = {copy: group[0] for group in groups for copy in group}
        near = [leaders[m] for index in indexes for m in candidates(sketch, index) if m in leaders]
        # An unobserved parent stands between models of the index and is none itself.
        around = {m: homes[m].load(m) for m in _neighbourhood(dict.fromkeys(near), edges) if m in homes}
        twin = next((m for m, other in around.items() if same_weights(sketch, other)), None)
        if twin is not None:
            next(group for group in groups if group[0] == twin).append(model)
            continue
        groups.append([model])
        edges = _with(edges, _edges_of(sketch, around, edges, watch))
    return groups, edges


def _neighbourhood(near: Collection[str], edges: Sequence[Edge]) -> list[str]:
    """The nearest models, then their parents and children, then the roots above them; so many at most."""
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


def _edges_of(
    sketch: CheckpointSketch, around: Mapping[str, CheckpointSketch], edges: Sequence[Edge], watch: Watch | None
) -> list[Edge]:
    """Every edge between the new model and its neighbours."""
    models = [*around.values(), sketch]
    place = {model: i for i, model in enumerate(around)}
    above: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if edge.component is None:
            above[edge.child].append(edge.parent)
    settled = {i: [place[p] for p in above[m]] if all(p in place for p in above[m]) else None for m, i in place.items()}
    search = Search([replace(model, declared=()) for model in models], watch, settled)
    return list(measured_edges(search))


def _with(edges: Sequence[Edge], new: Sequence[Edge]) -> list[Edge]:
    """All edges, those of children that hang on the new model now replaced."""
    moved = {edge.child for edge in new if edge.component is None}
    return [edge for edge in edges if edge.child not in moved or edge.component is not None] + list(new)
