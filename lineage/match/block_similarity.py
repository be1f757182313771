"""Similarity of tensors and of whole blocks (layers, experts) of two models: all tensors of a block count together.

r and z of all pairs of tensors are computed in a few products.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import facing, shared_label
from lineage.match.units import Stack, ready, same_positions, stacked
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.family import MIN_UNITS
from lineage.types import CheckpointSketch, TensorSketch

Name = TypeVar("Name", bound=Hashable)

_EQUAL = 0.005  # added to r for equal content, so that a copy is preferred to a lightly trained block


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Blocks of the query against blocks of the reference: `score` (queries, references), and which are `related`.

    The score is the mean r of the matrices that both blocks name, weighted by size, and a little more for equal
    contents. Blocks are related if one of these matrices has equal content, or its z passes the threshold by itself.
    """

    score: NDArray[np.float64]
    related: NDArray[np.bool_]


class _Faced(NamedTuple):
    """The matrices of one name, each with the number of its block: the query's, and the reference's of that shape."""

    mine: list[tuple[int, TensorSketch]]
    theirs: list[tuple[int, TensorSketch]]
    transposed: bool

    @property
    def sides(self) -> tuple[list[TensorSketch], list[TensorSketch], bool]:
        return [t for _, t in self.mine], [t for _, t in self.theirs], self.transposed


def cells(
    a: CheckpointSketch,
    b: CheckpointSketch,
    queries: Sequence[Mapping[Name, int]],
    references: Sequence[Mapping[Name, int]],
    threshold: float,
) -> Cells:
    """Compare every block with every block; a block gives the places of its tensors by their names within it.

    Where no blocks are related, as in strangers, their scores are not computed and are 0.
    """
    shape = len(queries), len(references)
    total, weight, related = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    faced = [*_faced(a, b, queries, references)]
    for one in faced if any(_may_be_related(*one.sides, threshold) for one in faced) else ():
        found = similarities(*one.sides)
        at = np.ix_([i for i, _ in one.mine], [j for j, _ in one.theirs])
        params = float(one.mine[0][1].params)
        total[at] += params * (np.where(found.equal, 1.0, found.r) + _EQUAL * found.equal)
        weight[at] += params
        related[at] |= found.equal | (found.z > threshold)
    return Cells(np.divide(total, weight, out=total, where=weight > 0), related)


def _faced(
    a: CheckpointSketch,
    b: CheckpointSketch,
    queries: Sequence[Mapping[Name, int]],
    references: Sequence[Mapping[Name, int]],
) -> Iterator[_Faced]:
    """The matrices of each name and shape in the query's blocks, and those in the reference's, which has some."""
    for name in dict.fromkeys(name for block in queries for name in block):
        mine, theirs = _by_shape(a, queries, name), _by_shape(b, references, name)
        for size, left in mine.items():
            transposed = size not in theirs
            right = theirs.get(size[::-1] if transposed and len(size) == 2 else size)
            if right is not None:
                yield _Faced(left, right, transposed)


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


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """Mean cosine `r` of centred units, permutation `z`, and whether contents are `equal`: (queries, references)."""

    r: NDArray[np.float64]
    z: NDArray[np.float64]
    equal: NDArray[np.bool_]


def similarities(a: Sequence[TensorSketch], b: Sequence[TensorSketch], transposed: bool) -> Similarity:
    """Compare all tensors `a` of one shape with all tensors `b` of the corresponding shape.

    z is that of `pair_z`: over the exchangeable axes, or over both where there is none, the one nearest to zero;
    0 where no axis has 32 units. `r` is taken along the same axis.
    """
    r, z = np.zeros((len(a), len(b))), np.full((len(a), len(b)), np.inf)
    for axis in _tested_axes(a[0], b[0], transposed):
        found = _along(a, b, axis, facing(axis, transposed))
        if found is not None:
            nearer = np.abs(found[1]) < np.abs(z)
            r, z = np.where(nearer, found[0], r), np.where(nearer, found[1], z)
    return Similarity(
        r, np.where(np.isinf(z), 0.0, z), _same_content(a, b) if not transposed else np.zeros(r.shape, np.bool_)
    )


def _may_be_related(a: Sequence[TensorSketch], b: Sequence[TensorSketch], transposed: bool, threshold: float) -> bool:
    """Whether any two may have equal content or a z above the threshold.

    Their z is that of the axis where it is nearest to zero: one axis, the shorter, can exclude it.
    """
    if not transposed and _same_content(a, b).any():
        return True
    for axis in sorted(_tested_axes(a[0], b[0], transposed), key=lambda axis: a[0].shape[axis]):
        units = _facing_units(a, b, axis, facing(axis, transposed))
        if units is not None:
            trace = _products(units[0].rows, units[1].rows)
            return bool((np.abs(_z(*units, trace)) > threshold).any())
    return False


def _tested_axes(a: TensorSketch, b: TensorSketch, transposed: bool) -> tuple[int, ...]:
    free = tuple(axis for axis in (0, 1) if shared_label(a.part, b.part, axis, transposed) is not None)
    return free or (0, 1)


def _along(
    a: Sequence[TensorSketch], b: Sequence[TensorSketch], axis: int, other: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Correlation and z of all pairs along one axis; None without enough units at common positions."""
    units = _facing_units(a, b, axis, other)
    if units is None:
        return None
    ours, others = units
    trace = _products(ours.rows, others.rows)
    return _ratio(trace, _products(ours.norms, others.norms)), _z(ours, others, trace)


def _facing_units(
    a: Sequence[TensorSketch], b: Sequence[TensorSketch], axis: int, other: int
) -> tuple[Stack, Stack] | None:
    """The units of both sides along one axis; None without enough of them at common positions."""
    left, right = [ready(t, axis) for t in a], [ready(t, other) for t in b]
    mine, theirs = [x for x in left if x is not None], [x for x in right if x is not None]
    if len(mine) < len(left) or len(theirs) < len(right):
        return None
    if any(not same_positions(mine[0].positions, one.positions) for one in (*mine, *theirs)):
        return None
    return (stacked(mine), stacked(theirs)) if len(mine[0].positions) >= MIN_UNITS else None


def _z(ours: Stack, others: Stack, trace: NDArray[np.float32]) -> NDArray[np.float64]:
    square = _products(ours.gram, others.gram)
    sigma = np.sqrt(np.maximum(square, 0.0) / (ours.rows.shape[1] - 1))
    return _ratio(trace, sigma)


def _products(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products of all with all."""
    return _flat(x) @ _flat(y).T


def _flat(arrays: NDArray[np.float32]) -> NDArray[np.float32]:
    return arrays.reshape(len(arrays), -1)


def _ratio(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.divide(x, y, out=np.zeros(x.shape), where=y > 0, dtype=np.float64)


def _same_content(a: Sequence[TensorSketch], b: Sequence[TensorSketch]) -> NDArray[np.bool_]:
    """Equal digests of tensors whose values are mostly distinct, which chance does not give."""
    mine = [t.band_digest if t.stats.distinct >= MIN_DISTINCT else "" for t in a]
    theirs = [t.band_digest if t.stats.distinct >= MIN_DISTINCT else "-" for t in b]
    return np.asarray(np.array(mine)[:, None] == np.array(theirs)[None, :], np.bool_)
