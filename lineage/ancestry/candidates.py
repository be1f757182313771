"""Which models of an index are worth a full comparison with one that is asked about."""

from __future__ import annotations

from lineage.match.disguise import SUGGESTIVE, networks
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.adapters import is_adapter
from lineage.sketch.vectors import model_vector, query_vectors
from lineage.store import Index
from lineage.types import CheckpointSketch, TensorSketch

NEAREST_MODELS = 16
NEAREST_TENSORS = 8
NEAREST_NETWORKS = 8  # by what neurons do to the tokens
_MOST_STRANGE = 64  # adapters asked for beyond these where a model is sought, and models where an adapter is
_SUGGESTIVE = 0.3  # cosine of tensor vectors, whose error is 1/16: a suggestion to look, not evidence


def candidates(query: CheckpointSketch, index: Index) -> list[str]:
    """Model ids worth a full comparison: holders of equal content, of near tensors, and the nearest models.

    Adapters are candidates for adapters, models for models.
    """
    strange = {record.id for record in index.models() if is_adapter(record) != is_adapter(query)}
    spare = min(len(strange), _MOST_STRANGE)
    votes: dict[str, float] = {}
    digests = {d for t in query.tensors for d in (t.band_digest, t.digest) if d is not None and _tells(t)}
    for holders in index.same_digests(digests).values():
        for model, _ in holders:
            votes[model] = votes.get(model, 0.0) + 1.0
    for hits in index.nearest_tensors(query_vectors(query), NEAREST_TENSORS + spare):
        for hit in [hit for hit in hits if hit.model_id not in strange][:NEAREST_TENSORS]:
            if hit.score > _SUGGESTIVE:
                votes[hit.model_id] = votes.get(hit.model_id, 0.0) + hit.score
    by_vote = [model for model in sorted(votes, key=lambda model: -votes[model]) if model not in strange]
    found = index.nearest_models(model_vector(query), NEAREST_MODELS + spare)
    nearest = [model for model, _ in found if model not in strange]
    disguised = index.nearest_networks(networks(query), NEAREST_NETWORKS)
    alike = [model for row in disguised for model, score in row if score > SUGGESTIVE]
    return list(dict.fromkeys([*by_vote[:NEAREST_MODELS], *nearest[:NEAREST_MODELS], *alike]))


def _tells(tensor: TensorSketch) -> bool:
    """Whether equal content of this tensor says anything: constants and fixed tables are equal everywhere."""
    return tensor.part.excluded is None and tensor.stats.distinct >= MIN_DISTINCT
