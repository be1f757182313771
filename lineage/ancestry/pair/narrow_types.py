"""Floating-point types narrower than float32: rounding to them, and which of them hold a tensor's values."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.first_looks import look
from lineage.sketch.remembered import remembered
from lineage.types import TensorSketch

SIGNIFICANDS = {"bfloat16": 7, "float16": 10, "float8_e4m3fn": 3, "float8_e5m2": 2}
"""The narrow types that are distinguished, with the stored bits of their significands."""

HALVES = ("bfloat16", "float16")
"""The narrow types of 16 bits, in which whole models are stored and computed."""

FLOAT32 = 23
"""Stored bits of the significand of float32."""

_LEAST_SPACING = {"bfloat16": 0.0, "float16": 2.0**-24}  # of subnormal numbers, which are normal in float32
_STEP = 1.05 / 255.0  # of the largest value: what rounding to eight bits, with a scale that was stored, changes at most
_LEAST_NORMAL = {"bfloat16": 2.0**-126, "float16": 2.0**-14, "float8_e4m3fn": 2.0**-6, "float8_e5m2": 2.0**-14}


def is_cast(coarse: NDArray[np.float32], fine: NDArray[np.float32], scheme: str) -> bool:
    """Whether values are others cast to a narrow type: rounded or truncated, with subnormal numbers kept or set to 0.

    Exporters and accelerators do all four.
    """
    return bool(are_cast(coarse.reshape(1, -1), fine.reshape(1, -1), scheme)[0])


def are_cast(coarse: NDArray[np.float32], fine: NDArray[np.float32], scheme: str) -> NDArray[np.bool_]:
    """The same for several tensors at once, (k, n) to (k,)."""
    tiny = np.abs(fine) < _LEAST_NORMAL[scheme]
    found = np.zeros(len(fine), np.bool_)
    for cast in (rounded, truncated):
        differ = coarse != cast(fine, scheme)
        found |= ~differ.any(axis=1) | ~np.where(tiny, coarse != 0, differ).any(axis=1)
    return found


def truncated(values: NDArray[np.float32], scheme: str) -> NDArray[np.float32]:
    """Values rounded towards zero to a narrow type, as float32."""
    near = rounded(values, scheme)
    dtype = _dtype(scheme)
    with np.errstate(over="ignore", invalid="ignore"):
        codes = near.astype(dtype)
    # Codes are sign and magnitude: one less is the next number towards zero.
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
    # The bits set in any significand exclude most types without rounding.
    used = look(tensor).bits
    short = [scheme for scheme, bits in SIGNIFICANDS.items() if used % (1 << (FLOAT32 - bits)) == 0]
    return tuple(scheme for scheme in short if np.array_equal(tensor.values, rounded(tensor.values, scheme)))


def number_spacing(tensor: TensorSketch) -> NDArray[np.float32]:
    """Spacing at each sampled value in the narrowest type (16 bits, else float32) that holds all values."""
    spacing = np.spacing(np.abs(tensor.values))
    for scheme, least in _LEAST_SPACING.items():
        if scheme in narrow_types(tensor):
            return np.maximum(spacing * np.float32(2.0 ** (FLOAT32 - SIGNIFICANDS[scheme])), np.float32(least))
    return spacing


def are_roundings(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of one shape differ in no value by more than rounding to eight bits, or to a type of 16, does.

    Training of norms alone moves them by a few hundredths: far beyond that, and yet little of their length.
    """
    if one.shape != other.shape:
        return False
    largest = max(float(np.abs(one).max(initial=0.0)), float(np.abs(other).max(initial=0.0)))
    return bool((np.abs(one - other) <= _STEP * largest).all())
