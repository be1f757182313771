"""A matrix on few levels, and whether it is the rounding of its counterpart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.blurred import blurred, is_blurred_rounding
from lineage.ancestry.pair.changes import Change
from lineage.ancestry.pair.lattices import is_rounding, lattice, shows_down, steps
from lineage.types import Direction, TensorMatch, TensorSketch
from lineage.types.facts.schemes import FewBits, Scheme, StoredAs

_ROUNDED_R = 0.8  # rounding to four bits leaves 0.98
_HEAD = 16  # first values of a row, which share one scale in every scheme
_FEWEST = 4  # levels of these values, with which r may be lower: 0.7 for ternary weights with one scale per matrix


def quantized(
    a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32], match: TensorMatch
) -> Change | None:
    """Quantized if one side has a storage scheme or lies on few levels, the other does not, and they agree; else None.

    The direction is given only if the coarse side is the plain rounding of the other.
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
    # Two separately rounded copies of one model agree as well; a model is not rounded from a rounded copy.
    is_plain = blurred(b if mine is not None else a) is None
    if mine is not None:
        return Change("quantized", Direction.CHILD if is_plain and _is_computed(a, x, y) else None, mine)
    coarse, fine = (y.T, x.T) if match.transposed else (y, x)
    return Change("quantized", Direction.PARENT if is_plain and _is_computed(b, coarse, fine) else None, theirs)


def _has_few_levels(tensor: TensorSketch) -> bool:
    """Whether the first 16 values of the rows typically have two to four levels (two bits)."""
    heads = np.sort(tensor.values[:, :_HEAD], axis=1) if len(tensor.shape) > 1 else np.empty((0, 0))
    if heads.shape[1:] != (_HEAD,) or not len(heads):
        return False
    levels = 1 + np.count_nonzero(np.diff(heads, axis=1), axis=1)
    return bool(1 < np.median(levels) <= _FEWEST)


def _is_computed(tensor: TensorSketch, coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    """Whether a tensor's sampled values, on levels, are the rounding of others; eight-bit levels may be blurred."""
    levels = blurred(tensor) if lattice(tensor) == FewBits("int8") else None
    if levels is None or coarse.shape != tensor.values.shape:
        if np.array_equal(coarse, tensor.values):
            return steps(tensor).misses(coarse, fine) is not None
        return is_rounding(coarse.T, fine.T) if shows_down(tensor) else is_rounding(coarse, fine)
    return is_blurred_rounding(levels, coarse, fine)


def _blurred(
    a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32], match: TensorMatch
) -> Change | None:
    """Quantized if one side lies on levels blurred by a narrow type and the other does not; else None."""
    mine, theirs = blurred(a), blurred(b)
    if mine is not None and theirs is None and x.shape == a.values.shape:
        return Change("quantized", Direction.CHILD if is_blurred_rounding(mine, x, y) else None, mine.scheme)
    if theirs is not None and mine is None and y.size == b.values.size:
        coarse, fine = (y.T, x.T) if match.transposed else (y, x)
        return Change(
            "quantized", Direction.PARENT if is_blurred_rounding(theirs, coarse, fine) else None, theirs.scheme
        )
    return None


def _encoding(tensor: TensorSketch) -> StoredAs | None:
    """The storage scheme of a tensor ("gguf q8_0"); None if it was stored in a simple data type."""
    return StoredAs(tensor.dtype) if " " in tensor.dtype else None
