"""Models that are another one rounded to a narrower type, or to levels that such a type blurred."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merges.mixtures import COPY
from lineage.ancestry.pairwise.blurred import blurred, is_blurred_rounding
from lineage.types import CheckpointSketch, TensorSketch

_NEAREST = 8
_LEVELS = 1e-2  # squared distance: the widest of 255 steps of one scale for all leaves less beside few outliers
_TYPES = (np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16))


def roundings(cohort: Cohort, sketches: Sequence[CheckpointSketch]) -> dict[int, int]:
    """Each model that is the exact rounding of another of its structure, with the other (positions in `sketches`)."""
    matrices = [_matrices(sketches[member]) for member in cohort.members]
    values = [np.concatenate([t.values.reshape(-1) for t in held]) for held in matrices]
    has_levels = [any(blurred(t) is not None for t in held) for held in matrices]
    squares = (cohort.points**2).sum(axis=1)
    squared_distances = squares[:, None] + squares - 2 * cohort.points @ cohort.points.T
    found: dict[int, int] = {}
    for i, copy in enumerate(cohort.members):
        squared = squared_distances[i]
        for j in np.argsort(squared)[:_NEAREST]:
            if j == i or squared[j] > (_LEVELS if has_levels[i] else COPY):
                continue
            if any(np.array_equal(values[i], _round(values[j], dtype)) for dtype in _TYPES) or (
                has_levels[i] and not has_levels[j] and _is_on_levels(matrices[i], matrices[j])
            ):
                found[copy] = cohort.members[int(j)]
                break
    return {copy: finer for copy, finer in found.items() if finer not in found or found[finer] != copy}


def _matrices(sketch: CheckpointSketch) -> list[TensorSketch]:
    ordered = sorted(sketch.tensors, key=lambda t: (t.part.component, t.part.role, t.part.layer or -1, t.shape, t.name))
    return [t for t in ordered if len(t.shape) > 1 and t.part.generic is None]


def _is_on_levels(copy: Sequence[TensorSketch], finer: Sequence[TensorSketch]) -> bool:
    """Whether every matrix is the other's, as it is or rounded to blurred levels."""
    for mine, other in zip(copy, finer, strict=True):
        levels = blurred(mine)
        if not np.array_equal(mine.values, other.values) and (
            levels is None or not is_blurred_rounding(levels, mine.values, other.values)
        ):
            return False
    return True


def _round(values: NDArray[np.float32], dtype: np.dtype[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return values.astype(dtype).astype(np.float32)
