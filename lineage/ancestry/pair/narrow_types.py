"""Floating-point types narrower than float32: rounding to them, and which of them hold a tensor's values."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import remembered
from lineage.types import TensorSketch

SIGNIFICANDS = {"bfloat16": 7, "float16": 10, "float8_e4m3fn": 3, "float8_e5m2": 2}
"""The types that are told apart, with the stored bits of their significands."""


_SIGNIFICAND = 23  # of float32
_LEAST_SPACING = {"bfloat16": 0.0, "float16": 2.0**-24}  # among the smallest numbers, which float32 holds as others


_LEAST_NORMAL = {"bfloat16": 2.0**-126, "float16": 2.0**-14, "float8_e4m3fn": 2.0**-6, "float8_e5m2": 2.0**-14}


def is_cast(coarse: NDArray[np.float32], fine: NDArray[np.float32], scheme: str) -> bool:
    """Whether values are others in a narrow type: to the nearest or cut off, numbers below the normal ones kept or 0.

    Exporters and accelerators do all four.
    """
    tiny = np.abs(fine) < _LEAST_NORMAL[scheme]
    for cast in (rounded, truncated):
        found = cast(fine, scheme)
        if np.array_equal(coarse, found) or (tiny.any() and np.array_equal(coarse, np.where(tiny, 0.0, found))):
            return True
    return False


def truncated(values: NDArray[np.float32], scheme: str) -> NDArray[np.float32]:
    """Values rounded towards zero to a narrow type, as float32."""
    near = rounded(values, scheme)
    dtype = _dtype(scheme)
    with np.errstate(over="ignore", invalid="ignore"):
        codes = near.astype(dtype)
    # Codes of sign and magnitude count: one less is the next number towards zero.
    below = (codes.view(f"u{codes.itemsize}") - 1).view(dtype).astype(np.float32)
    return np.where(np.abs(near) > np.abs(values), below, near)


def rounded(values: NDArray[np.float32], scheme: str) -> NDArray[np.float32]:
    """Values rounded to the nearest of a narrow type, as float32; infinite or NaN beyond its range."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(_dtype(scheme)).astype(np.float32)


def _dtype(scheme: str) -> np.dtype[Any]:
    return np.dtype(np.float16 if scheme == "float16" else getattr(ml_dtypes, scheme))


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
