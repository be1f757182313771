"""Orders of the rows of attention matrices: how frameworks fuse query, key and value, and how they keep rotary pairs.

An order maps rows of a matrix in the wanted order to the rows of the stored matrix.
Sources: GPTNeoXAttention, GPTJAttention, FalconAttention and CodeGenAttention of transformers, `ParallelAttention` of
Megatron-LM, InternLM2's modeling code, and `permute` of transformers' convert_llama_weights_to_hf.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Order = Callable[[Places], Places]


def sorted_heads(length: int, heads: int, groups: int) -> Order:
    """All queries, all keys, all values, of rows that lie group by group: its query heads, its key, its value.

    `heads` query heads share `groups` key and value heads; with as many of one as of the other this is GPT-NeoX's
    and BLOOM's interleaving by head.
    """
    side, queries = length // (heads + 2 * groups), heads // groups

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        group, member = np.divmod(head, queries)
        of_query = group * (queries + 2) + member
        kind, other = np.divmod(head - heads, groups)
        stored = np.where(head < heads, of_query, other * (queries + 2) + queries + kind)
        places: Places = stored * side + within
        return places

    return order


def grouped_heads(length: int, heads: int, groups: int) -> Order:
    """Group by group, of rows that lie as all queries, all keys, all values: undoes `sorted_heads`."""
    side, queries = length // (heads + 2 * groups), heads // groups

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        group, member = np.divmod(head, queries + 2)
        stored = np.where(member < queries, group * queries + member, heads + (member - queries) * groups + group)
        places: Places = stored * side + within
        return places

    return order


def sorted_blocks(length: int, blocks: int, parts: tuple[int, ...]) -> Order:
    """One part after another, of equal parts that lie block by block; `parts[i]` is where in a block part i lies."""
    side = length // (blocks * len(parts))

    def order(rows: Places) -> Places:
        part, rest = np.divmod(rows, blocks * side)
        block, within = np.divmod(rest, side)
        places: Places = (block * len(parts) + np.array(parts)[part]) * side + within
        return places

    return order


def halves_of_heads(side: int, rotary: int | None = None) -> Order:
    """Rotary heads of `side` rows as halves, as the hub has them, of heads that lie as pairs, as Meta has them.

    In some models only the first `rotary` rows of a head are rotated (GPT-J, GPT-NeoX, Phi, ChatGLM): the others stay.
    """
    turning = rotary or side

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        half, pair = np.divmod(within, turning // 2)
        places: Places = head * side + np.where(within < turning, 2 * pair + half, within)
        return places

    return order


def pairs_of_heads(side: int, rotary: int | None = None) -> Order:
    """Rotary heads as pairs of rows, of heads that lie as halves: undoes `halves_of_heads`."""
    turning = rotary or side

    def order(rows: Places) -> Places:
        head, within = np.divmod(rows, side)
        pair, half = np.divmod(within, 2)
        places: Places = head * side + np.where(within < turning, half * (turning // 2) + pair, within)
        return places

    return order
