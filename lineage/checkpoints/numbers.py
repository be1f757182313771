"""Limits on what a model may hold: anything beyond them is refused before it is processed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

from lineage.errors import Malformed
from lineage.types import TensorView

MOST_TENSORS = 200_000
"""A mixture of 61 layers of 384 experts, with a scale beside each matrix, has 140,000."""
MOST_ROWS = 1 << 24
"""Of a tensor of two axes or more; what has one may be a model in one piece."""
FREE_WEIGHTS = 1 << 26
MOST_A_BYTE = 256
"""Weights that a byte may stand for where there are more than `FREE_WEIGHTS`: a matrix of which one value in a thousand
is not zero has 50 of them for each byte of its places and values. A file of kilobytes would take hours otherwise."""


def require_count(path: Path, count: int) -> None:
    """Raise Malformed for more tensors than models have."""
    if count > MOST_TENSORS:
        raise Malformed(path, f"holds {count:,} tensors; {MOST_TENSORS:,} are the most that are read of one model")


def require_few(path: Path, tensors: Sequence[TensorView], left_out: Collection[object] = ()) -> None:
    """Raise Malformed for more tensors, or more rows in one, than models have."""
    require_count(path, len(tensors) + len(left_out))
    for view in tensors:
        if len(view.shape) > 1 and view.shape[0] > MOST_ROWS:
            told = f"tensor {view.name!r:.80} has {view.shape[0]:,} rows"
            raise Malformed(path, f"{told}; {MOST_ROWS:,} are the most that are read of a matrix")


def require_full(path: Path, tensors: Sequence[TensorView], nbytes: int) -> None:
    """Raise Malformed for more weights than files of `nbytes` can hold: an empty sparse tensor, or a packed one."""
    weights = sum(math.prod(view.shape) for view in tensors)
    if weights > max(FREE_WEIGHTS, MOST_A_BYTE * nbytes):
        told = f"claims {weights:,} weights in {nbytes:,} bytes"
        raise Malformed(path, f"{told}; {MOST_A_BYTE} a byte are the most that are read: crafted to take time")
