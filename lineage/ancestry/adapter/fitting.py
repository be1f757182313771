"""Which known models an adapter fits: those with a tensor of the right shape for each of its products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.cues import bare_name
from lineage.match.structure import by_name_or_part, orientation
from lineage.match.values import common_values
from lineage.sketch.adapters import is_adapter
from lineage.store import Index
from lineage.types import CheckpointSketch, Fit, ModelRecord

MOST_MODELS = 256  # greatest number of models whose sketches are opened
Values = NDArray[np.float32]
Place = tuple[int, int, bool]
"""Positions of a product and of the model's tensor that it changes, and whether that tensor is stored transposed."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model that an adapter fits, with the sampled values of each tensor it would change, oriented as the product."""

    record: ModelRecord
    index: Index
    values: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class Fits:
    """The declared base and the models that fit, the number of models opened, and of those that could be opened."""

    told: tuple[Fit, ...]
    fitted: tuple[Fitted, ...]
    opened: int
    possible: int


def fits(adapter: CheckpointSketch, indexes: Sequence[Index]) -> Fits:
    """Try the products of `adapter` on the models of the indexes, its declared base first.

    Other models with fewer weights or tensors than the adapter changes are not opened.
    """
    size, count = adapter.params, len(adapter.tensors)
    if not count:
        return Fits((), (), 0, 0)
    listed = {r.id: (r, index) for index in indexes for r in index.models() if not is_adapter(r)}
    large = [(r, i) for r, i in listed.values() if is_declared(adapter, r) or (r.params >= size and r.tensors >= count)]
    chosen = sorted(large, key=lambda one: _remoteness(adapter, one[0]))[:MOST_MODELS]
    told: list[Fit] = []
    fitted: list[Fitted] = []
    for record, index in chosen:
        model = index.load(record.id)
        held = list(places(adapter, model))
        fit = Fit(record.id, record.name, len(held), is_declared(adapter, record))
        if fit.declared or fit.fitting == count:
            told.append(fit)
        if fit.fitting == count:
            values = tuple(common_values(adapter.tensors[i], model.tensors[j], turned)[1] for i, j, turned in held)
            fitted.append(Fitted(record, index, values))
    return Fits(tuple(told), tuple(fitted), len(chosen), len(large))


def places(adapter: CheckpointSketch, model: CheckpointSketch) -> Iterator[Place]:
    """The tensor that each product changes, in the order of the products; products without one are skipped.

    The shape of a square matrix does not show its orientation: it is taken from the other matrices.
    """
    pairs = sorted(by_name_or_part(adapter, model))
    turned = any(transposed for _, _, transposed in pairs)
    for i, j, _ in pairs:
        transposed = orientation(adapter.tensors[i], model.tensors[j], turned)
        shape = model.tensors[j].shape
        if transposed is not None and adapter.tensors[i].shape == (shape[::-1] if transposed else shape):
            yield i, j, transposed


def is_declared(adapter: CheckpointSketch, record: ModelRecord) -> bool:
    """Whether the adapter names this model as its base."""
    names = {_bare(name) for name in (record.name, *record.aliases)}
    return any(fact.relation == "adapter" and _bare(fact.model) in names for fact in adapter.declared)


def _remoteness(adapter: CheckpointSketch, record: ModelRecord) -> tuple[bool, bool, bool]:
    """A sort key: the declared base first, then models that declare the same base, then the same architecture."""
    bases = {_bare(fact.model) for fact in adapter.declared}
    beside = any(_bare(fact.model) in bases for fact in record.declared)
    return not is_declared(adapter, record), not beside, record.architecture != adapter.architecture


def _bare(name: str) -> str:
    return bare_name(name.rstrip("/"))
