"""One model as a merge of models of an index."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.ancestry.comparison import same_weights
from lineage.ancestry.geometry import cohorts
from lineage.ancestry.merges import find_mixtures
from lineage.store import Index
from lineage.types import CheckpointSketch, Merge, MergePart


def decompose(query: CheckpointSketch, indexes: Sequence[Index]) -> Merge | None:
    """The parents and weights of `query` if it is a merge of models of the indexes with its structure, else None.

    Nothing is named in advance: every model of the same structure is a candidate.
    """
    known = {record.id: index.load(record.id) for index in indexes for record in index.models()}
    sketches = [query, *(sketch for sketch in known.values() if not same_weights(sketch, query))]
    cohort = next((c for c in cohorts(sketches) if 0 in c.members), None)
    if cohort is None:
        return None
    found = find_mixtures(cohort).get(cohort.members.index(0))
    if found is None:
        return None
    parts = []
    for k, (place, weight) in enumerate(zip(found.parents, found.weights, strict=True)):
        parent = sketches[cohort.members[place]]
        layers = tuple((layer, float(weights[k])) for layer, weights in sorted(found.by_layer.items()) if layer >= 0)
        parts.append(MergePart(parent.id, parent.name, float(weight), layers))
    parts.sort(key=lambda part: -part.weight)
    return Merge(tuple(parts), found.method, float(found.residual))
