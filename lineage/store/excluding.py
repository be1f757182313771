"""An index without one of its models, so that this model can be queried like any other."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from functools import cached_property

from lineage.errors import Unknown
from lineage.sketch.adapters import kind_of
from lineage.store.protocol import Index, toggled
from lineage.types import CheckpointSketch, Codes, ModelKind, ModelRecord, Near, SearchCue


class Without:
    """The index `of` without `model`; the next model takes the place of the one left out."""

    def __init__(self, of: Index, model: str) -> None:
        self._of = of
        self._model = model

    @property
    def id(self) -> str:
        """Name of the set of the models that are left."""
        return toggled(self._of.id, self._model) if self._left_out else self._of.id

    @property
    def state(self) -> Hashable | None:
        """That of the whole, and the model left out."""
        of = self._of.state
        return None if of is None else (of, self._model)

    def __len__(self) -> int:
        return len(self._of) - len(self._left_out)

    @property
    def unsearched(self) -> int:
        """Number of models of other sketch families, which no search sees."""
        return self._of.unsearched

    def models(self) -> list[ModelRecord]:
        """Every model but one, ordered by name and id."""
        return [record for record in self._of.models() if record.id != self._model]

    def count(self, kind: ModelKind) -> int:
        """Number of models of a kind."""
        return self._of.count(kind) - sum(kind_of(one) == kind for one in self._left_out)

    def records(self, models: Collection[str]) -> list[ModelRecord]:
        """The models of these ids that are there, ordered by name and id."""
        return self._of.records({*models} - {self._model})

    def called(self, text: str) -> list[ModelRecord]:
        """The models that `text` can mean."""
        return [record for record in self._of.called(text) if record.id != self._model]

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

    def nearest(self, asked: Codes, kind: ModelKind, k: int) -> Mapping[SearchCue, list[Near]]:
        """For each code of the query and each cue, up to `k` models of a kind, best first."""
        found = self._of.nearest(asked, kind, k + 1)
        return {cue: [[one for one in row if one[0] != self._model][:k] for row in rows] for cue, rows in found.items()}

    @cached_property
    def _left_out(self) -> list[ModelRecord]:
        return self._of.records({self._model})
