"""The orders in which frameworks store the rows of fused matrices, as candidates between two models.

Each is a reading of the query's rows in the reference's order; the values decide which one holds, if any.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.row_orders import (
    Order,
    grouped_heads,
    halves_of_heads,
    pairs_of_heads,
    sorted_blocks,
    sorted_heads,
)

Places = NDArray[np.int64]
_HEADS = range(8, 513)  # rows of a head, in every public model
_CODEGEN = (4, (0, 2, 1))  # blocks of queries, keys and values, and their order in CodeGen's fused matrix
_LEAST_IN_PART = 16  # with partial rotary positions, the rows of a head are a multiple of this
_TURNING = (1.0, 0.5, 0.4, 0.25)  # share of a head's rows that rotary positions turn: most, GLM and CodeGen, Phi, NeoX


@lru_cache(maxsize=2)  # of some hundred orders of some ten thousand rows
def attention_orders(sizes: tuple[int, int, int]) -> tuple[Places, ...]:
    """Where each row of a query-key-value stack may lie on the other side.

    One side may be interleaved by head or group, or keep rotary rows in pairs where the other has halves, or both.
    """
    return tuple(_distinct(_attention_orders(*sizes)))


def _attention_orders(queries: int, keys: int, values: int) -> Iterator[Places]:
    length = queries + keys + values
    still = np.arange(queries + keys, length)
    blocks = []
    if queries == keys and queries % _CODEGEN[0] == 0:
        blocks = [places(sorted_blocks(length, *_CODEGEN), length)]
        blocks.append(np.argsort(blocks[0]))
    yield from blocks
    for side in (n for n in _HEADS if queries % n == 0 and keys % n == 0):
        heads, groups = queries // side, keys // side
        rotary = [np.concatenate([places(one, queries + keys), still]) for one in _turns(side)]
        packed = []
        if heads > 1 and heads % groups == 0:
            packed = [places(order(length, heads, groups), length) for order in (sorted_heads, grouped_heads)]
        yield from rotary
        yield from packed
        for fused in (*packed, *blocks):
            for turn in rotary:
                yield turn[fused]
                yield fused[turn]
        for fused in packed:  # by head on one side, CodeGen's blocks on the other
            yield from (one[fused] for one in blocks)
            yield from (fused[one] for one in blocks)


def _turns(side: int) -> Iterator[Order]:
    """Halves for pairs and pairs for halves, in heads of `side` rows that are rotated in whole or in part."""
    shares = _TURNING if side % _LEAST_IN_PART == 0 else _TURNING[:1]
    for turning in (round(side * share) for share in shares):
        if turning % 2 == 0:
            yield halves_of_heads(side, turning)
            yield pairs_of_heads(side, turning)


@lru_cache(maxsize=16)
def gate_orders(units: int) -> tuple[Places, ...]:
    """The places of the rows of a gate-up stack if one side interleaves them, or has up before gate."""
    length = 2 * units
    rows = np.arange(length)
    by_turns = [places(sorted_blocks(length, units, parts), length) for parts in ((0, 1), (1, 0))]
    swapped = (rows + units) % length
    return tuple(_distinct(iter([swapped, *by_turns, *(np.argsort(one) for one in by_turns)])))


def places(order: Order, length: int) -> Places:
    """The row of each stored row in the wanted order, int64 (length,)."""
    stored = order(np.arange(length))
    found: Places = np.empty(length, np.int64)
    found[stored] = np.arange(length)
    return found


def _distinct(found: Iterator[Places]) -> Iterator[Places]:
    """The distinct orders other than the identity."""
    seen: set[bytes] = set()
    for one in found:
        key = one.tobytes()
        if key not in seen and not np.array_equal(one, np.arange(len(one))):
            seen.add(key)
            yield one
