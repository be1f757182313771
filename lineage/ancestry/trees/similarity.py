"""Rough similarity of all pairs of models: which model's matrices are found, in any layer, in which other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineage.match import EXPERT
from lineage.sketch.vectors import search_vectors
from lineage.types import CheckpointSketch, TensorSketch

WORTH_A_LOOK = 0.2  # least similarity worth a comparison, of a component or a model with a model
_BLOCK = 2048  # rows of one product


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much of each component is found in each model; it selects pairs to compare and is never evidence.

    `held` (components, models) float32 is the mean over a component's matrices, weighted by size, of the best cosine
    with any matrix of the same role and shape in the other model, in any layer (error about 1/16 a matrix; exactly 1
    for equal contents). `owner` (components,) is the model of each component, `names` are the components' names,
    `sizes` (components,) their parameters.
    """

    held: NDArray[np.float32]
    owner: NDArray[np.int64]
    names: tuple[str, ...]
    sizes: NDArray[np.float64]

    def of_models(self) -> NDArray[np.float64]:
        """Share of each model that is found in each other, (models, models): the mean of its components by size."""
        count = self.held.shape[1]
        total = np.zeros((count, count))
        np.add.at(total, self.owner, self.held * self.sizes[:, None])
        sizes = np.bincount(self.owner, self.sizes, count)
        return np.asarray(total / np.maximum(sizes, 1.0)[:, None])

    def parts_worth_a_look(self) -> NDArray[np.bool_]:
        """Whether some component of one model may come from the other, (models, models)."""
        near = np.zeros((self.held.shape[1], self.held.shape[1]), np.bool_)
        np.logical_or.at(near, self.owner, self.held > WORTH_A_LOOK)
        return near


class _Member(NamedTuple):
    """A matrix: the row of its component, the number of its model, its sketch, its search vector (256,)."""

    row: int
    model: int
    tensor: TensorSketch
    vector: NDArray[np.float32]


def likeness(sketches: Sequence[CheckpointSketch]) -> Likeness:
    """Compare every matrix of every model with all matrices of its role and shape."""
    buckets: dict[Hashable, list[_Member]] = defaultdict(list)
    rows: dict[tuple[int, str], int] = {}
    for model, sketch in enumerate(sketches):
        searched = search_vectors(sketch)
        for place, vector in zip(searched.places, searched.rows, strict=True):
            tensor = sketch.tensors[place]
            row = rows.setdefault((model, tensor.part.component), len(rows))
            role = tensor.part.role.removeprefix(EXPERT)  # experts may be copied from an MLP
            buckets[role, tensor.shape[1:]].append(_Member(row, model, tensor, vector))
    held = np.zeros((len(rows), len(sketches)), np.float32)
    sizes = np.zeros(len(rows))
    for members in buckets.values():
        if len({one.model for one in members}) > 1:
            _add(held, members)
        np.add.at(sizes, [one.row for one in members], [one.tensor.params for one in members])
    held /= np.maximum(sizes, 1.0)[:, None].astype(np.float32)
    owner = np.array([model for model, _ in rows], np.int64)
    return Likeness(held, owner, tuple(name for _, name in rows), sizes)


def _add(held: NDArray[np.float32], members: Sequence[_Member]) -> None:
    """Add to `held` the best cosine of each matrix with each model, times the matrix's parameters."""
    vectors = np.stack([one.vector for one in members])
    codes = np.unique([one.tensor.band_digest for one in members], return_inverse=True)[1]
    starts = np.flatnonzero(np.r_[True, np.diff([one.model for one in members]) > 0])
    models = [members[int(start)].model for start in starts]
    rows = np.array([one.row for one in members])
    weights = np.array([one.tensor.params for one in members], np.float32)
    for begin in range(0, len(members), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        cosine = vectors[part] @ vectors.T
        cosine[codes[part, None] == codes] = 1.0
        best = np.maximum(np.maximum.reduceat(cosine, starts, axis=1), 0.0) * weights[part, None]
        summed = np.zeros((len(held), len(models)), np.float32)
        np.add.at(summed, rows[part], best)
        held[:, models] += summed
