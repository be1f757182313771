"""Decomposition of a model into the models of an index from which it was merged."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.ancestry.folding import fold
from lineage.ancestry.geometry import cohorts
from lineage.ancestry.handed_over import believable
from lineage.ancestry.layouts import in_one_layout
from lineage.ancestry.merge.mixtures import Mixture, find_mixtures
from lineage.ancestry.merge.passthrough import find_stacks
from lineage.ancestry.trees.roundings import roundings
from lineage.sketch.adapters import is_adapter
from lineage.store import Index
from lineage.types import CheckpointSketch, Merge, MergePart


def decompose(query: CheckpointSketch, indexes: Sequence[Index]) -> Merge | None:
    """The parents and weights of `query` if it is a merge of models of the indexes, else None.

    No parents are given in advance: every model is a candidate for the layers of a passthrough merge, and every model
    of the same structure for sums.
    """
    indexes, _ = believable(query, indexes)
    known = {r.id: index.layouts(r.id) for index in indexes for r in index.models() if not is_adapter(r)}
    sketches = in_one_layout(fold([query, *(one for layouts in known.values() for one in layouts)]))
    found = find_stacks(sketches).get(0) or _summed(sketches)
    return None if found is None else _merge(found, sketches)


def _summed(sketches: Sequence[CheckpointSketch]) -> Mixture | None:
    """The first sketch as a mixture of others, with positions in the list; None if it is not one."""
    cohort = next((c for c in cohorts(sketches) if 0 in c.members), None)
    if cohort is None:
        return None
    rounded = roundings(cohort, sketches)
    aside = [place for place, member in enumerate(cohort.members) if member in rounded]
    found = find_mixtures(cohort, aside).get(cohort.members.index(0))
    return None if found is None else found.renumbered(cohort.members)


def _merge(found: Mixture, sketches: Sequence[CheckpointSketch]) -> Merge:
    parts = []
    for k, (place, weight) in enumerate(zip(found.parents, found.weights, strict=True)):
        layers = tuple((layer, float(weights[k])) for layer, weights in sorted(found.by_layer.items()) if layer >= 0)
        faces = found.layer_maps[k] if found.layer_maps else ()
        parent = sketches[place]
        parts.append(MergePart(parent.id, parent.name, float(weight), layers, faces, weights_seen=parent.weights_seen))
    parts.sort(key=lambda part: -part.weight)
    others = dict.fromkeys(other for _, other in found.alternatives if other not in found.parents)
    return Merge(
        tuple(parts),
        found.method,
        float(found.residual),
        tuple((sketches[other].id, sketches[other].name) for other in others),
        None if found.origin is None else sketches[found.origin].id,
        found.density,
        found.is_mean if found.density is not None else None,
    )
