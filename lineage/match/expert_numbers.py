"""Experts numbered differently in two models, brought to one numbering together with their router.

Experts are identified by their own matrices. If these show that the experts of a layer are numbered differently, the
rows of the router are reordered too, so that the same mixture in another order is the same model. The router's values
are not used to find the numbers, so they remain valid evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineage.match.block_similarity import cells
from lineage.match.blocks import Block, stacks
from lineage.match.equal_content import hold_the_same
from lineage.match.experts import NEAR
from lineage.match.layers import counterparts
from lineage.match.pairing import LOG10_ALPHA
from lineage.match.row_stacks import row_stack, turned
from lineage.match.tails import normal_quantile
from lineage.match.values import common_values
from lineage.types import CheckpointSketch, TensorSketch

ExpertPlace = tuple[str, int | None, int]
"""A component, a layer and the number of an expert there."""


def in_one_numbering(
    a: CheckpointSketch, b: CheckpointSketch, models: int
) -> tuple[CheckpointSketch, Mapping[ExpertPlace, int], frozenset[str]]:
    """The query with its routers in the reference's order, the reference's numbers of its experts, the moved tensors.

    Only layers of one number are held together, and of these only such whose experts all face one each. Whether two
    experts are related is asked at 1e-6 after correction for every pair of tensors and for `models` searched.
    """
    threshold = normal_quantile(LOG10_ALPHA - math.log10(max(1, 2 * len(a.tensors) * len(b.tensors) * models)))
    numbers: dict[ExpertPlace, int] = {}
    moved: dict[str, TensorSketch] = {}
    for left, right in _facing_mixtures(a, b):
        order = _order(a, b, left, right, threshold)
        if order is None:
            continue
        mine, theirs = sorted(left.experts), sorted(right.experts)
        for at, number in enumerate(mine):
            part = a.tensors[next(iter(left.experts[number].values()))].part
            numbers[part.component, part.layer, number] = theirs[order[at]]
        moved |= {tensor.name: tensor for tensor in _counting(a, b, left, right, order)}
    if not moved:
        return a, numbers, frozenset()
    return replace(a, tensors=tuple(moved.get(t.name, t) for t in a.tensors)), numbers, frozenset(moved)


def _facing_mixtures(a: CheckpointSketch, b: CheckpointSketch) -> Iterator[tuple[Block, Block]]:
    """Layers of the same number with equally many experts."""
    others = [stack for stack in stacks(b) if any(block.experts for block in stack.blocks.values())]
    for stack in stacks(a):
        for facing in counterparts(stack, others)[:1]:
            for number in stack.blocks.keys() & facing.blocks.keys():
                block, other = stack.blocks[number], facing.blocks[number]
                if len(block.experts) == len(other.experts) > 1:
                    yield block, other


def _order(
    a: CheckpointSketch, b: CheckpointSketch, left: Block, right: Block, threshold: float
) -> NDArray[np.int64] | None:
    """The reference's place of each expert of the query, (experts,); None if it is the same, or not all are found."""
    mine, theirs = ([block.experts[n] for n in sorted(block.experts)] for block in (left, right))
    alike = cells(a, b, mine, theirs, threshold)
    score = np.where(alike.related, alike.score, -np.inf)
    places = np.arange(len(mine))
    order = np.where(score.diagonal() + NEAR >= score.max(axis=1), places, score.argmax(axis=1))
    found = alike.related[places, order].all() and len(set(order.tolist())) == len(mine)
    return order if found and not np.array_equal(order, places) else None


def _counting(
    a: CheckpointSketch, b: CheckpointSketch, left: Block, right: Block, order: NDArray[np.int64]
) -> Iterator[TensorSketch]:
    """Routers of the query, and vectors with a number for each expert, in the reference's order.

    Vectors have as many names as there are frameworks, and other things are as long: they are treated as numbers of
    experts where they are equal to one of the reference in this order.
    """
    ours, others = ([s.tensors[i] for i in block.paths.values()] for s, block in ((a, left), (b, right)))
    for tensor in ours:
        is_router = tensor.part.role == "router" and len(tensor.shape) == 2
        moved = _with_rows_at(tensor, order) if is_router or tensor.shape == (len(order),) else None
        if moved is not None:
            same = next((one for other in others if (one := _as(moved, other)) is not None), None)
            if same is not None or is_router:
                yield same or moved


def _with_rows_at(tensor: TensorSketch, order: NDArray[np.int64]) -> TensorSketch | None:
    """A router, or a vector, with what it has for expert i at place `order[i]`; None where it counts something else."""
    if tensor.shape[0] != len(order):
        is_turned = len(tensor.shape) == 2 and tensor.shape[1] == len(order)
        moved = _with_rows_at(turned(tensor), order) if is_turned else None
        return None if moved is None else turned(moved)
    stack = row_stack([tensor])
    if stack is None:
        return None
    put = stack.moved(order)
    return replace(
        tensor,
        band_digest=f"{tensor.band_digest}/{'-'.join(map(str, order.tolist()))}",
        digest=None,
        grid=(put.rows, put.columns),
        values=put.values,
        units=(put.units, None),
        minhash=None,
    )


def _as(moved: TensorSketch, other: TensorSketch) -> TensorSketch | None:
    """The tensor with the sketch of `other`, possibly transposed, if both hold the same values; else None."""
    for facing in (other, turned(other)) if len(other.shape) == 2 else (other,):
        if moved.shape == facing.shape and _are_one(moved, facing):
            return replace(facing, name=moved.name, dtype=moved.dtype, part=moved.part)
    return None


def _are_one(a: TensorSketch, b: TensorSketch) -> bool:
    if len(a.shape) > 1:
        return hold_the_same(a, b)
    x, y = common_values(a, b, transposed=False)
    return x.size > 1 and np.array_equal(x, y)
