"""Low-rank changes: the rank of the difference of two matrices, and directions that were projected out.

A merged adapter of rank r adds a matrix of rank r (Hu et al. 2021). Any submatrix of it, such as the grid of sampled
values, has rank r at most; further singular values come from rounding to the stored type. Full training leaves no such
gap.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.first_looks import look
from lineage.ancestry.pair.narrow_types import FLOAT32, SIGNIFICANDS, narrow_types, number_spacing
from lineage.match.axes import facing
from lineage.match.permutation import unit_rows
from lineage.match.units import common_index
from lineage.match.values import common_values
from lineage.sketch.remembered import remembered
from lineage.sketch.stacks import in_stacks, laid
from lineage.types import Direction, TensorSketch

_EDGE = 4.0  # times the largest singular value that pure rounding has on average
_GAP = 5.0  # between the last singular value that counts and the next
_STEEPER = 2.0  # times the steepest fall between any two singular values before it
_SPARE = 3  # a low rank is at least this much below the size of the sample
_CERTAIN = 1e-13  # share of the sum of squares: above the rounding error of computing it
_TOGETHER = 32  # pairs processed at once: they fit in the processor's cache
_MATRICES = 3  # least number of matrices with a common direction: two may share one by their role
_SHARED = 0.8  # share of the directions explained by a common one: 1 but for the int8 rounding of units
_CLEAR = 0.15  # cosine; its expectation is the square root of the sampled share of v's axis

Values = NDArray[np.float64]
Held = tuple[TensorSketch, TensorSketch, bool]


def delta_ranks(pairs: Sequence[Held]) -> list[int | None]:
    """The rank of the difference of each pair (see `delta_rank`)."""
    sides = [common_values(*pair) for pair in pairs]
    found: list[int | None] = [None] * len(pairs)
    for places, x in in_stacks([x for x, _ in sides], _TOGETHER):
        deltas = x.astype(np.float64) - laid([sides[i][1] for i in places])
        if not _have_full_rank(deltas, np.array([max(_edges(*pairs[i][:2], deltas.shape[1:])) for i in places])):
            for i in places:
                found[i] = delta_rank(*pairs[i])
    return found


def delta_rank(a: TensorSketch, b: TensorSketch, transposed: bool) -> int | None:
    """Rank of the difference of two matrices above their rounding; None if it is full, or nothing moved.

    Ranks up to about 20 can be distinguished from full rank: the sample has some 24 rows and columns.
    """
    x, y = common_values(a, b, transposed)
    delta = x.astype(np.float64) - y
    moved = delta != 0
    rows, columns = (np.count_nonzero(moved.any(axis=axis)) for axis in (1, 0))
    if min(rows, columns) <= _SPARE:
        return None
    edges = _edges(a, b, delta.shape)
    if _have_full_rank(delta[None], np.array(edges[-1:])):
        return None
    sizes: Values = np.linalg.svd(delta, compute_uv=False).astype(np.float64, copy=False)
    for edge in edges:
        rank = int((sizes > edge).sum())
        if 0 < rank <= min(rows, columns) - _SPARE and _is_gap(sizes, rank):
            return rank
    return None


def _edges(a: TensorSketch, b: TensorSketch, shape: tuple[int, ...]) -> list[float]:
    """Bounds on singular values from rounding alone for a difference of this shape, by the types of both sides."""
    scale = _EDGE * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
    return sorted({scale * _rounding(a), scale * _rounding(b)})


def _have_full_rank(deltas: Values, edges: NDArray[np.float64]) -> bool:
    """Whether in each of several differences (k, n, m), too many singular values for a low rank exceed its edge (k,).

    A quick test without singular values. Removing columns makes none larger (interlacing), and all remaining ones
    exceed the edge if the Gram matrix minus the squared edge is positive definite.
    """
    part = (deltas if deltas.shape[1] >= deltas.shape[2] else deltas.swapaxes(1, 2))[:, :, _SPARE - 1 :]
    square = part.swapaxes(1, 2) @ part
    least = edges**2 + _CERTAIN * np.trace(square, axis1=1, axis2=2)
    square -= least[:, None, None] * np.eye(square.shape[1])
    try:
        np.linalg.cholesky(square)
    except np.linalg.LinAlgError:
        return False
    return True


def _is_gap(sizes: Values, rank: int) -> bool:
    """Whether the singular values drop after the first `rank`, by far more than between any two before."""
    before = (sizes[: rank - 1] / sizes[1:rank]).max(initial=1.0)
    return bool(sizes[rank - 1] > max(_GAP, _STEEPER * before) * sizes[rank])


@remembered
def _rounding(tensor: TensorSketch) -> float:
    """Root mean square error of rounding to the narrowest type of 16 bits, or to float32, that holds the values."""
    if "bfloat16" not in narrow_types(tensor) and "float16" in narrow_types(tensor):  # evenly spaced subnormals
        return float(np.sqrt(np.mean(number_spacing(tensor).astype(np.float64) ** 2) / 12))
    wider = 2.0 ** (FLOAT32 - SIGNIFICANDS["bfloat16"]) if "bfloat16" in narrow_types(tensor) else 1.0
    return math.sqrt((wider * look(tensor).spacing) ** 2 / 12)


def projected_out(moved: Sequence[Held]) -> Direction | None:
    """The query's direction if one direction v was projected out of several matrices (W' = W - v v'W); None otherwise.

    `moved` are the pairs whose difference has rank one: query, reference, whether transposed. After a projection all
    differences share v, and each is the parent matrix along v: the sampled part of v has a clear cosine with it in the
    parent and none in the child. Merged adapters of rank one have a different direction in each matrix.
    """
    for axis in (0, 1):
        found = [one for a, b, transposed in moved if (one := _along(a, b, axis, transposed)) is not None]
        lengths = Counter(len(direction) for direction, _, _ in found)
        same = [one for one in found if len(one[0]) == max(lengths, key=lengths.__getitem__)]
        if len(same) < _MATRICES or len(same) < len(moved) / 2:
            continue
        shared = np.linalg.norm(np.stack([direction for direction, _, _ in same]), 2) ** 2 / len(same)
        here, there = (abs(float(np.median([one[side] for one in same]))) for side in (1, 2))
        if shared > _SHARED and max(here, there) > _CLEAR and min(here, there) < max(here, there) / 2:
            return Direction.CHILD if here < there else Direction.PARENT
    return None


@lru_cache(maxsize=1024)  # used by the cue, for the relation of a component and for the report
def _along(a: TensorSketch, b: TensorSketch, axis: int, transposed: bool) -> tuple[Values, float, float] | None:
    """Direction of the difference on the sampled units of one axis, and the cosine of each side with it along v."""
    left, right = a.units[axis], b.units[facing(axis, transposed)]
    if left is None or right is None:
        return None
    index = common_index(left, right)
    x, y = unit_rows(left, index).astype(np.float64), unit_rows(right, index).astype(np.float64)
    directions, _, moved = np.linalg.svd(x - y, full_matrices=False)
    along = directions[:, 0]
    return along, _cosine(along @ x, moved[0]), _cosine(along @ y, moved[0])


def _cosine(x: Values, y: Values) -> float:
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norm if norm > 0 else 0.0
