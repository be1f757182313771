"""The arrays of a `.sketch` file, each with a part for every tensor of a model; see section 6 of index/FORMAT.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import PERMUTATIONS, UNIT_DIMS
from lineage.types import TensorSketch

ValueType = Literal["float32", "bfloat16", "float16"]
"""The narrowest type that holds the kept values of a tensor; bfloat16 numbers are the upper halves of float32 ones."""

VALUES: dict[ValueType, str] = {
    "float32": "values", "bfloat16": "values_bfloat16", "float16": "values_float16",
}  # fmt: skip
ARRAYS: dict[str, tuple[Any, tuple[int, ...]]] = {  # dtype, and shape behind the first axis
    "values": (np.float32, ()),
    "values_bfloat16": (np.uint16, ()),
    "values_float16": (np.float16, ()),
    "unit_codes": (np.int8, (UNIT_DIMS,)),
    "unit_scale": (np.float32, ()),
    "minhash": (np.uint32, (PERMUTATIONS,)),
    "moments": (np.float64, (4,)),
}
_SHARES: dict[str, Callable[[TensorSketch], Iterable[NDArray[Any]]]] = {
    "unit_codes": lambda t: [units.codes for units in t.units if units is not None],
    "unit_scale": lambda t: [units.scale for units in t.units if units is not None],
    "minhash": lambda t: [] if t.minhash is None else [t.minhash[None]],
    "moments": lambda t: [] if t.moments is None else [t.moments[None]],
}
_UPPER = 16  # bits of a float32 below those of a bfloat16


def joined(tensors: Sequence[TensorSketch]) -> tuple[dict[str, NDArray[Any]], list[ValueType]]:
    """All arrays of some tensors, concatenated; one is empty if no tensor has a part in it. And how values are kept."""
    arrays = {}
    for name, shares in _SHARES.items():
        dtype, tail = ARRAYS[name]
        parts = [share for tensor in tensors for share in shares(tensor)]
        arrays[name] = np.concatenate([np.empty((0, *tail), dtype), *parts]).astype(dtype, copy=False)
    sizes = [tensor.values.size for tensor in tensors]
    values = np.concatenate([np.empty(0, np.float32), *(tensor.values.reshape(-1) for tensor in tensors)])
    types = _value_types(values, sizes)
    kinds = np.repeat(np.array([[*VALUES].index(one) for one in types], np.uint8), np.array(sizes, int))
    wide, upper, half = (values[kinds == kind] for kind in range(len(VALUES)))
    arrays["values"] = wide
    arrays["values_bfloat16"] = (upper.view(np.uint32) >> _UPPER).astype(np.uint16)
    arrays["values_float16"] = half.astype(np.float16)
    return arrays, types


def widened(arrays: Mapping[str, NDArray[Any]]) -> dict[ValueType, NDArray[np.float32]]:
    """The kept values as float32, by the type in which they are in a file."""
    upper = arrays["values_bfloat16"].astype(np.uint32) << _UPPER
    return {
        "float32": arrays["values"],
        "bfloat16": upper.view(np.float32),
        "float16": arrays["values_float16"].astype(np.float32),
    }


def _value_types(values: NDArray[np.float32], sizes: Sequence[int]) -> list[ValueType]:
    """The narrowest type that holds each run of so many values exactly, the sign of zero included."""
    if not sizes:
        return []
    starts = np.cumsum([0, *sizes[:-1]])
    with np.errstate(over="ignore"):
        is_half = values.astype(np.float16).astype(np.float32) == values
    is_upper = values.view(np.uint32) & ((1 << _UPPER) - 1) == 0
    fits = zip(*(np.logical_and.reduceat(is_kept, starts).tolist() for is_kept in (is_upper, is_half)), strict=True)
    return ["bfloat16" if upper else "float16" if half else "float32" for upper, half in fits]
