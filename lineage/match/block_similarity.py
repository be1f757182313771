"""How alike whole blocks (layers, experts) of two models are: all tensors of a block vote together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.match.similarity import likeness
from lineage.types import CheckpointSketch, TensorSketch

Name = TypeVar("Name", bound=Hashable)

_EQUAL = 0.005  # what equal content adds to r, so that a copy goes before what was trained a little


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Blocks of the query against blocks of the reference: `score` (queries, references), and which are `related`.

    The score is the mean r of the matrices that both blocks name, weighted by size, and a little more for equal
    contents. Blocks are related if one of these matrices has equal content, or its z passes the threshold by itself.
    """

    score: NDArray[np.float64]
    related: NDArray[np.bool_]


def cells(
    a: CheckpointSketch,
    b: CheckpointSketch,
    queries: Sequence[Mapping[Name, int]],
    references: Sequence[Mapping[Name, int]],
    threshold: float,
) -> Cells:
    """Hold every block against every block; a block gives the places of its tensors by name within it."""
    shape = len(queries), len(references)
    total, weight, related = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    for name in dict.fromkeys(name for block in queries for name in block):
        mine, theirs = _by_shape(a, queries, name), _by_shape(b, references, name)
        for size, left in mine.items():
            transposed = size not in theirs
            right = theirs.get(size[::-1] if transposed and len(size) == 2 else size)
            if right is None:
                continue
            found = likeness([t for _, t in left], [t for _, t in right], transposed)
            at = np.ix_([i for i, _ in left], [j for j, _ in right])
            params = float(left[0][1].params)
            total[at] += params * (np.where(found.equal, 1.0, found.r) + _EQUAL * found.equal)
            weight[at] += params
            related[at] |= found.equal | (found.z > threshold)
    return Cells(np.divide(total, weight, out=total, where=weight > 0), related)


def _by_shape(
    sketch: CheckpointSketch, blocks: Sequence[Mapping[Name, int]], name: Name
) -> dict[tuple[int, ...], list[tuple[int, TensorSketch]]]:
    """The matrices of one name, with the number of their block, by shape."""
    found: dict[tuple[int, ...], list[tuple[int, TensorSketch]]] = defaultdict(list)
    for number, block in enumerate(blocks):
        place = block.get(name)
        if place is not None and len(sketch.tensors[place].shape) > 1:
            found[sketch.tensors[place].shape].append((number, sketch.tensors[place]))
    return found
