"""The change that a low-rank adapter makes to one tensor: scale * B A, in bands of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.io.byte_sources import Recent
from lineage.types import AnyArray, FileSpan, TensorView

_BLOCK = 1 << 18  # values processed at once: they fit in the processor's cache


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of a product as a matrix (outer, inner): `view` with all axes but the first joined, perhaps transposed.

    A band of a factor that is stored transposed is spread all over it: it is read whole; `recent` holds the last few.
    """

    view: TensorView
    turned: bool
    recent: Recent

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Shape of the matrix."""
        rows, columns = self.view.shape[0], math.prod(self.view.shape[1:])
        return (columns, rows) if self.turned else (rows, columns)

    def whole(self) -> AnyArray:
        """The matrix, in its own type."""
        view = self.view
        held = self.recent.get(view.storage, lambda: np.ascontiguousarray(view.rows(0, view.shape[0])).tobytes())
        matrix = np.frombuffer(held, view.dtype).reshape(view.shape[0], -1)
        return matrix.T if self.turned else matrix

    def band(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop) of the matrix."""
        if self.turned:
            return self.whole()[start:stop]
        return self.view.rows(start, stop).reshape(stop - start, self.matrix_shape[1])


@dataclass(frozen=True, slots=True)
class Product:
    """`scale * left @ right`, rounded to float32: what is added to a tensor of `shape`.

    Every value is summed in float64 in the order of the inner axis, so that a band equals the same rows of the whole,
    on any machine. `magnitude` are the row norms that DoRA gives to the sum of base and product, None without.
    """

    shape: tuple[int, ...]
    left: Factor
    right: Factor
    scale: float
    magnitude: TensorView | None = None

    @property
    def rank(self) -> int:
        """Length of the inner axis."""
        return self.left.matrix_shape[1]

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Rows [start, stop), float32. Raises CheckpointError for damaged bytes."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"rows {start}:{stop} of {self.shape[0]}")
        left, right = self.left.band(start, stop), self.right.whole()
        out = np.empty((stop - start, right.shape[1]), np.float32)
        step = max(1, _BLOCK // right.shape[1])
        with np.errstate(all="ignore"):  # of damaged bytes; the sketch refuses what is not finite
            for first in range(0, len(out), step):
                out[first : first + step] = _summed(left[first : first + step], right) * self.scale
        return out.reshape(len(out), *self.shape[1:])

    def spans(self, _start: int, _stop: int) -> Iterable[FileSpan]:
        """Where the factors lie in files, of which most is needed for any band."""
        views = (self.left.view, self.right.view)
        return [span for view in views for span in view.spans(0, view.shape[0])]

    def transposed(self) -> Product:
        """The product for a base that stores the matrix transposed; for products of two axes."""
        left, right = (Factor(one.view, not one.turned, one.recent) for one in (self.right, self.left))
        return Product(self.shape[::-1], left, right, self.scale, self.magnitude)


def _summed(left: AnyArray, right: AnyArray) -> NDArray[np.float64]:
    """The product of two matrices, term by term: a library's product may differ in the last bit between calls."""
    total = np.zeros((len(left), right.shape[1]))
    term = np.empty_like(total)
    for k in range(len(right)):
        np.multiply(left[:, k, None].astype(np.float64), right[k].astype(np.float64), out=term)
        total += term
    return total
