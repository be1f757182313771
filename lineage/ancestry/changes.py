"""What happened to one tensor on its way from one model to the other, read off the values that both kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.match.values import common_values
from lineage.types import Role, TensorMatch, TensorSketch

Kind = Literal["same", "recast", "reordered", "pruned", "quantized", "tuned", "unrelated"]

_NARROW = ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2")
_MIN_VALUES = 16
_TESTED_Z = 6.0  # one tensor alone: p < 2e-9
_UNTESTED_R = 0.5  # matrices too small for z; they count only where their component is significant


@dataclass(frozen=True, slots=True)
class Change:
    """The kind of change, who must be the child for it to be computable, and the scheme where it has a name.

    `role` is the query's: a rounding, pruning or quantisation can be computed from the finer side only.
    """

    kind: Kind
    role: Role | None = None
    scheme: str | None = None


def change(a: TensorSketch, b: TensorSketch, match: TensorMatch) -> Change:
    """Classify the change between query tensor `a` and reference tensor `b`."""
    if match.how == "rows":
        return Change("reordered")
    if same_content(a, b):
        return Change("same")
    x, y = common_values(a, b, match.transposed)
    if x.size and np.array_equal(x, y) and (match.transposed or a.shape != b.shape):
        return Change("reordered" if match.transposed else "same")
    computed = _recast(x, y) or _pruned(a, b, x, y) or _quantized(a, b, match) if x.size >= _MIN_VALUES else None
    return computed or Change("tuned" if _is_related(a, match) else "unrelated")


def _is_related(a: TensorSketch, match: TensorMatch) -> bool:
    if match.z is not None and len(a.shape) > 1:
        return match.z > _TESTED_Z
    return match.r is not None and match.r > _UNTESTED_R


def _recast(x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    """One side's values are the other's, rounded to a narrower type."""
    for scheme in _NARROW:
        if np.array_equal(x, _round(y, scheme)):
            return Change("recast", "child", scheme)
        if np.array_equal(_round(x, scheme), y):
            return Change("recast", "parent", scheme)
    return None


def same_content(a: TensorSketch, b: TensorSketch) -> bool:
    """Equal digests: of every value where both have one, else of the sampled rows."""
    if a.digest is not None and b.digest is not None:
        return a.digest == b.digest
    return a.band_digest == b.band_digest


def _round(values: NDArray[np.float32], scheme: str) -> NDArray[np.float32]:
    dtype: Any = np.float16 if scheme == "float16" else getattr(ml_dtypes, scheme)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype).astype(np.float32)


def _pruned(a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    """One side has more zeros and is otherwise the other side's values, exactly or rounded."""
    more = a.stats.zeros - b.stats.zeros
    if abs(more) < 0.05:
        return None
    sparse, dense = (x, y) if more > 0 else (y, x)
    kept = sparse != 0
    if kept.sum() < _MIN_VALUES:
        return None
    exact = np.isclose(sparse[kept], dense[kept], rtol=2.0**-8, atol=0.0).mean()
    if exact < 0.98:
        return None
    role: Role = "child" if more > 0 else "parent"
    return Change("pruned", role, f"{abs(more):.0%} zeros")


def _quantized(a: TensorSketch, b: TensorSketch, match: TensorMatch) -> Change | None:
    """One side lies on a lattice of few levels, the other does not, and they agree."""
    mine, theirs = _bits(a), _bits(b)
    if (mine is None) == (theirs is None) or match.r is None or match.r < 0.8:
        return None
    role: Role = "child" if mine is not None else "parent"
    return Change("quantized", role, f"int{mine or theirs}")


def _bits(tensor: TensorSketch) -> int | None:
    if 2 < tensor.stats.levels_group <= 17:
        return 4
    return 8 if 2 < tensor.stats.levels_row <= 257 else None
