"""What every index promises, whether it is a database, a folder of sketches or a remote service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lineage.types import CheckpointSketch, Hit, ModelRecord


class Index(Protocol):
    """A set of sketched models that can be searched; one contract suite runs over every implementation."""

    @property
    def id(self) -> str:
        """Digest over the sketch family and the model ids: names what a search has searched."""

    def __len__(self) -> int:
        """Number of models."""

    @property
    def unsearched(self) -> int:
        """Number of models that it keeps besides, of other sketch families, which no search sees."""

    def models(self) -> list[ModelRecord]:
        """Every model, ordered by name and id."""

    def load(self, model: str) -> CheckpointSketch:
        """The whole sketch of a model, under the index's name for it. Raises Unknown and CheckpointError.

        Of several layouts it is the one that came first.
        """

    def layouts(self, model: str) -> list[CheckpointSketch]:
        """The sketch of a model in each of its layouts, ordered by layout and not by who came first.

        All go by the index's name for the model. Raises Unknown and CheckpointError.
        """

    def same_digests(self, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """For each of `digests` that is a tensor's full or band digest: its (model id, tensor name) pairs, ordered."""

    def nearest_tensors(self, vectors: NDArray[np.float32], k: int) -> list[list[Hit]]:
        """For each row of `vectors` (n, TENSOR_DIM) the `k` tensors of greatest inner product, best first."""

    def nearest_models(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` models of greatest inner product with `vector` (MODEL_DIM,), best first."""

    def nearest_networks(self, vectors: NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """For each row of `vectors` (n, NETWORK_DIM) the `k` models whose components fit best, best first."""


def set_id(family: str, models: Collection[str]) -> str:
    """Name of a set of models: 16 hexadecimal digits over the family and the sorted ids."""
    return blake2b("\n".join([family, *sorted(models)]).encode(), digest_size=8).hexdigest()


def find_model(text: str, records: Sequence[ModelRecord]) -> list[ModelRecord]:
    """The models that `text` can mean: by id, else by exact name or alias, else by a prefix of the id."""
    return (
        [r for r in records if r.id == text]
        or [r for r in records if text == r.name or text in r.aliases]
        or [r for r in records if text and r.id.startswith(text)]
    )
