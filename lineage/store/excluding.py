"""An index with one model left out, so that a model which is in it can be asked about like any other."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from lineage.errors import Unknown
from lineage.store.protocol import Index, set_id
from lineage.types import CheckpointSketch, Hit, ModelRecord


class Without:
    """The index `of` without `model`; what is next takes the place of what is left out."""

    def __init__(self, of: Index, model: str) -> None:
        self._of = of
        self._model = model

    @property
    def id(self) -> str:
        """Digest over the sketch family and the ids of the models that are left."""
        records = self.models()
        return set_id(records[0].family if records else "", [record.id for record in records])

    def __len__(self) -> int:
        return len(self.models())

    @property
    def unsearched(self) -> int:
        """Number of models of other sketch families, which no search sees."""
        return self._of.unsearched

    def models(self) -> list[ModelRecord]:
        """Every model but one, ordered by name and id."""
        return [record for record in self._of.models() if record.id != self._model]

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of a model. Raises Unknown for the one that is left out."""
        if model == self._model:
            raise Unknown(f"{model}: is left out of this search")
        return self._of.load(model)

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of a model in each of its layouts. Raises Unknown for the one that is left out."""
        if model == self._model:
            raise Unknown(f"{model}: is left out of this search")
        return self._of.layouts(model)

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that a tensor of the others has: its (model id, tensor name) pairs, ordered."""
        found = self._of.same_digests(digests).items()
        kept = {digest: [pair for pair in pairs if pair[0] != self._model] for digest, pairs in found}
        return {digest: pairs for digest, pairs in kept.items() if pairs}

    def nearest_tensors(self, vectors: NDArray[np.float32], k: int) -> list[list[Hit]]:
        """For each row of `vectors` up to `k` tensors of greatest inner product, best first."""
        own = len(self._of.load(self._model).tensors) if self._holds() else 0
        found = self._of.nearest_tensors(vectors, k + own)
        return [[hit for hit in hits if hit.model_id != self._model][:k] for hits in found]

    def nearest_models(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` models of greatest inner product with `vector`, best first."""
        return [found for found in self._of.nearest_models(vector, k + 1) if found[0] != self._model][:k]

    def _holds(self) -> bool:
        return any(record.id == self._model for record in self._of.models())

    def nearest_networks(self, vectors: NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """For each row of `vectors` (n, NETWORK_DIM) the `k` models whose components fit best, best first."""
        own = len({one.component for one in self._of.load(self._model).neurons}) if self._holds() else 0
        held = self._of.nearest_networks(vectors, k + own)
        return [[found for found in row if found[0] != self._model][:k] for row in held]
