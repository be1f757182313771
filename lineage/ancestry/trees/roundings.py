"""Models that are another one rounded to a narrower type."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merges.mixtures import COPY
from lineage.types import CheckpointSketch

_NEAREST = 8
_TYPES = (np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16))


def roundings(cohort: Cohort, sketches: Sequence[CheckpointSketch]) -> dict[int, int]:
    """Each model that is the exact rounding of another of its structure, with the other (positions in `sketches`)."""
    values = [_values(sketches[member]) for member in cohort.members]
    squares = (cohort.points**2).sum(axis=1)
    squared_distances = squares[:, None] + squares - 2 * cohort.points @ cohort.points.T
    found: dict[int, int] = {}
    for i, copy in enumerate(cohort.members):
        squared = squared_distances[i]
        for j in np.argsort(squared)[:_NEAREST]:
            if j == i or squared[j] > COPY:
                continue
            if any(np.array_equal(values[i], _round(values[j], dtype)) for dtype in _TYPES):
                found[copy] = cohort.members[int(j)]
                break
    return {copy: finer for copy, finer in found.items() if finer not in found or found[finer] != copy}


def _values(sketch: CheckpointSketch) -> NDArray[np.float32]:
    ordered = sorted(sketch.tensors, key=lambda t: (t.part.component, t.part.role, t.part.layer or -1, t.shape, t.name))
    return np.concatenate([t.values.reshape(-1) for t in ordered if len(t.shape) > 1 and t.part.generic is None])


def _round(values: NDArray[np.float32], dtype: np.dtype[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return values.astype(dtype).astype(np.float32)
