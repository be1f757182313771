"""Signed sums of rows and sums of powers in one reading of the values, by the extra `weight-lineage[fast]`.

A product with signs takes an addition for every value and sign. Four values have only 16 signed sums: with these in a
table, every sign takes a quarter of an addition (Arlazarov et al. 1970). What NumPy does in its place is in
`lineage.sketch.minhash` and `lineage.sketch.tensor_pass`; both add in float32, in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import CODE_BITS, CODE_FAMILIES, SEED_CODES
from lineage.sketch.signs import sign_bits
from lineage.types import Float32Array, Float64Array

TYPES = ("float32", "bfloat16", "float16")
CHUNK = 64  # values of a row that are taken at once: rows are whole chunks
LEAST_ROWS = 8  # sixteen are summed at once, however few there are
_REGISTER = 64  # bytes of 16 float32
_TABLE = 16 * _REGISTER


class CompiledRows:
    """The sums of rows of one width, by the function `add` of the extra."""

    def __init__(self, add: Callable[..., None], width: int) -> None:
        self._add = add
        self._places = _places(width)

    def add(self, rows: NDArray[Any], projected: Float32Array) -> Float64Array:
        """The sums of x, x**2, x**3 and x**4, (4,); not finite where a value is not, or where they leave float32.

        `rows` is (n, width) of a type of `TYPES`; their signed sums are written to `projected`, (n, 48), in C order.
        """
        bits = np.ascontiguousarray(rows).view(np.uint32 if rows.dtype.itemsize == np.uint32().itemsize else np.uint16)
        powers = np.zeros(4)
        self._add(bits, rows.dtype.name, rows.shape[1], self._places, projected, powers)
        return powers


def compiled_rows(rows: int, width: int, dtype: np.dtype[Any]) -> CompiledRows | None:
    """The compiled sums for so many rows of a width at a time; None where these are not for it, or not there."""
    if width % CHUNK or rows < LEAST_ROWS or dtype.name not in TYPES or not dtype.isnative:
        return None
    add = _add_of_extra()
    return None if add is None else CompiledRows(add, width)


@cache
def _add_of_extra() -> Callable[..., None] | None:
    try:
        import lineage_fast
    except ImportError:
        return None
    add: Callable[..., None] = lineage_fast.add
    return add if lineage_fast.usable() else None


@lru_cache(maxsize=16)
def _places(width: int) -> NDArray[np.uint16]:
    """Where the tables of each chunk hold the signed sum of four values, in bytes, (chunks, 48, 16).

    The four signs, minus as 1, are the number of the sum in its table.
    """
    is_minus = ~sign_bits(np.arange(width, dtype=np.int64), SEED_CODES, CODE_BITS * CODE_FAMILIES)
    fours = is_minus.reshape(width // CHUNK, CHUNK // 4, 4, -1).astype(np.uint16)
    numbers = np.einsum("ctvs,v->cst", fours, np.array([8, 4, 2, 1], np.uint16))
    places = numbers * np.uint16(_REGISTER) + np.arange(CHUNK // 4, dtype=np.uint16) * np.uint16(_TABLE)
    places = np.ascontiguousarray(places)
    places.setflags(write=False)
    return places
