"""A matrix on few levels, and whether it is the rounding of the one that it is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.blurred import blurred, is_blurred_rounding
from lineage.ancestry.pair.changes import Change
from lineage.ancestry.pair.lattices import is_rounding, lattice, steps
from lineage.types import TensorMatch, TensorSketch
from lineage.types.facts.schemes import FewBits, Scheme, StoredAs

_ROUNDED_R = 0.8  # rounding to four bits leaves 0.98
_HEAD = 16  # values of a row that one scale holds for, in every scheme
_FEWEST = 4  # levels of these, of which less may be left: 0.7 of ternary weights with one scale for a matrix


def quantized(
    a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32], match: TensorMatch
) -> Change | None:
    """One side is stored by a scheme or lies on a lattice of few levels, the other does not, and they agree.

    The role is told where the coarse side is the plain rounding of this very model.
    """
    if (match.r or 0.0) < _ROUNDED_R and _has_few_levels(a) == _has_few_levels(b):
        return None
    mine: Scheme | None = _encoding(a)
    theirs: Scheme | None = _encoding(b)
    if mine is None and theirs is None:
        mine, theirs = lattice(a), lattice(b)
    if mine is None and theirs is None:
        return _blurred(a, b, x, y, match)
    if mine is not None and theirs is not None:
        return None
    # Two copies of one model that were rounded apart agree as well; who rounds takes the model itself.
    is_plain = blurred(b if mine is not None else a) is None
    if mine is not None:
        return Change("quantized", "child" if is_plain and _is_computed(a, x, y) else None, mine)
    coarse, fine = (y.T, x.T) if match.transposed else (y, x)
    return Change("quantized", "parent" if is_plain and _is_computed(b, coarse, fine) else None, theirs)


def _has_few_levels(tensor: TensorSketch) -> bool:
    """Whether the heads of a matrix's rows hold two bits each, or less."""
    heads = np.sort(tensor.values[:, :_HEAD], axis=1) if len(tensor.shape) > 1 else np.empty((0, 0))
    if heads.shape[1:] != (_HEAD,) or not len(heads):
        return False
    levels = 1 + np.count_nonzero(np.diff(heads, axis=1), axis=1)
    return bool(1 < np.median(levels) <= _FEWEST)


def _is_computed(tensor: TensorSketch, coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    """Whether a tensor's sampled values, on levels, are the rounding of others; steps of bytes may be blurred."""
    levels = blurred(tensor) if lattice(tensor) == FewBits("int8") else None
    if levels is None or coarse.shape != tensor.values.shape:
        is_whole = np.array_equal(coarse, tensor.values)
        return steps(tensor).misses(coarse, fine) is not None if is_whole else is_rounding(coarse, fine)
    return is_blurred_rounding(levels, coarse, fine)


def _blurred(
    a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32], match: TensorMatch
) -> Change | None:
    """One side lies on levels that a narrow type blurred, the other does not."""
    mine, theirs = blurred(a), blurred(b)
    if mine is not None and theirs is None and x.shape == a.values.shape:
        return Change("quantized", "child" if is_blurred_rounding(mine, x, y) else None, mine.scheme)
    if theirs is not None and mine is None and y.size == b.values.size:
        coarse, fine = (y.T, x.T) if match.transposed else (y, x)
        return Change("quantized", "parent" if is_blurred_rounding(theirs, coarse, fine) else None, theirs.scheme)
    return None


def _encoding(tensor: TensorSketch) -> StoredAs | None:
    """How a tensor was stored where that is a scheme of several words ("gguf q8_0") and not simply a data type."""
    return StoredAs(tensor.dtype) if " " in tensor.dtype else None
