"""The arrays of a `.sketch` file, each with a part for every tensor of a model; see section 6 of index/FORMAT.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import PERMUTATIONS, PROJECTION_DIMS, UNIT_DIMS
from lineage.types import TensorSketch

ARRAYS: dict[str, tuple[Any, tuple[int, ...]]] = {  # dtype, and shape behind the first axis
    "values": (np.float32, ()),
    "projection": (np.float32, (PROJECTION_DIMS, PROJECTION_DIMS)),
    "unit_codes": (np.int8, (UNIT_DIMS,)),
    "unit_scale": (np.float32, ()),
    "minhash": (np.uint32, (PERMUTATIONS,)),
    "moments": (np.float64, (4,)),
}
_SHARES: dict[str, Callable[[TensorSketch], Iterable[NDArray[Any]]]] = {
    "values": lambda t: [t.values.reshape(-1)],
    "projection": lambda t: [] if t.projection is None else [t.projection[None]],
    "unit_codes": lambda t: [units.codes for units in t.units if units is not None],
    "unit_scale": lambda t: [units.scale for units in t.units if units is not None],
    "minhash": lambda t: [] if t.minhash is None else [t.minhash[None]],
    "moments": lambda t: [] if t.moments is None else [t.moments[None]],
}


def joined(name: str, tensors: Sequence[TensorSketch]) -> NDArray[Any]:
    """The array `name` of some tensors, concatenated; empty if no tensor has a part in it."""
    dtype, tail = ARRAYS[name]
    shares = [share for tensor in tensors for share in _SHARES[name](tensor)]
    return np.concatenate([np.empty((0, *tail), dtype), *shares]).astype(dtype, copy=False)
