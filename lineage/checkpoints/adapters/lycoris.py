"""Changes to a tensor that are more than one product of two factors, in bands of rows: LoHa and LoKr.

Source: https://github.com/KohakuBlueleaf/LyCORIS, lycoris/functional/loha.py and lokr.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed
from lineage.types import AnyArray, TensorView


class Rows(Protocol):
    """An array of `shape` that gives bands of its rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the array."""

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop). Raises IndexError outside, CheckpointError for damaged bytes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of a tensor of the file."""

    view: TensorView

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the tensor."""
        return self.view.shape

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop)."""
        return self.view.rows(start, stop)


@dataclass(frozen=True, slots=True)
class Hadamard:
    """LoHa: two products of one shape, multiplied value by value."""

    first: Rows
    second: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of both."""
        return self.first.shape

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop), float32."""
        with np.errstate(all="ignore"):  # of damaged bytes; the sketch refuses what is not finite
            left, right = (rows(start, stop).astype(np.float64) for rows in (self.first, self.second))
            return np.asarray((left * right).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Kronecker:
    """LoKr: every value of the matrix `left` times all of `right`, whose further axes are a kernel's."""

    left: Rows
    right: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the whole."""
        (rows, columns), (height, width, *kernel) = self.left.shape, self.right.shape
        return (rows * height, columns * width, *kernel)

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop), float32."""
        shape = self.shape
        if not 0 <= start <= stop <= shape[0]:
            raise IndexError(f"rows {start}:{stop} of {shape[0]}")
        height = self.right.shape[0]
        out = np.empty((stop - start, self.left.shape[1], math.prod(self.right.shape[1:])), np.float32)
        row = start
        while row < stop:
            block, within = divmod(row, height)
            length = min(height - within, stop - row)
            with np.errstate(all="ignore"):  # as above
                factors = self.left(block, block + 1).reshape(-1).astype(np.float64)
                values = self.right(within, within + length).reshape(length, 1, -1).astype(np.float64)
                out[row - start : row - start + length] = factors[None, :, None] * values
            row += length
        return out.reshape(stop - start, *shape[1:])


def scaled(name: str, rows: Rows, alpha: TensorView, rank: int, path: str) -> Callable[[int, int], AnyArray]:
    """The rows times alpha / rank; alpha is read with the first band, and stands for the rank where it is 0.

    Raises Malformed for an alpha that is not a number.
    """

    def banded(start: int, stop: int) -> AnyArray:
        with np.errstate(all="ignore"):  # as above
            value = float(np.real(alpha.rows(0, 1).reshape(-1)[0]))
        if not math.isfinite(value):
            raise Malformed(path, f"alpha of {quoted(name)} is {value}: the file is damaged")
        with np.errstate(all="ignore"):
            return np.asarray((rows(start, stop).astype(np.float64) * ((value or rank) / rank)).astype(np.float32))

    return banded
