"""Floating-point types narrower than float32: rounding to them, and which of them hold a tensor's values."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.match.remembered import remembered
from lineage.types import TensorSketch

SIGNIFICANDS = {"bfloat16": 7, "float16": 10, "float8_e4m3fn": 3, "float8_e5m2": 2}
"""The types that are told apart, with the stored bits of their significands."""


_SIGNIFICAND = 23  # of float32
_LEAST_SPACING = {"bfloat16": 0.0, "float16": 2.0**-24}  # among the smallest numbers, which float32 holds as others


def rounded(values: NDArray[np.float32], scheme: str) -> NDArray[np.float32]:
    """Values rounded to the nearest of a narrow type, as float32; infinite or NaN beyond its range."""
    dtype: Any = np.float16 if scheme == "float16" else getattr(ml_dtypes, scheme)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype).astype(np.float32)


@remembered
def narrow_types(tensor: TensorSketch) -> tuple[str, ...]:
    """The narrow types that hold every sampled value of a tensor exactly."""
    # The bits that any significand sets tell most types off without a rounding.
    used = int(np.bitwise_or.reduce(tensor.values.view(np.uint32), axis=None))
    short = [scheme for scheme, bits in SIGNIFICANDS.items() if used % (1 << (_SIGNIFICAND - bits)) == 0]
    return tuple(scheme for scheme in short if np.array_equal(tensor.values, rounded(tensor.values, scheme)))


def number_spacing(tensor: TensorSketch) -> NDArray[np.float32]:
    """How far each sampled value lies from the next in the narrowest type, of 16 bits or float32, that holds all."""
    spacing = np.spacing(np.abs(tensor.values))
    for scheme, least in _LEAST_SPACING.items():
        if scheme in narrow_types(tensor):
            return np.maximum(spacing * np.float32(2.0 ** (_SIGNIFICAND - SIGNIFICANDS[scheme])), np.float32(least))
    return spacing
