"""What two layers of neurons have in common beyond what an initialisation in common gives.

Anchors are orthonormal, so the codes of an initialisation lie evenly in the dimensions that the anchors span: about 0,
with the same second moment in each direction, those of one matrix unrelated to those of another, and as long as normal
numbers make them. Whatever lies otherwise was learned, and two models in which it lies otherwise in the same way have
that in common: one inherited it, or both learned it alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineage.types import Float64Array

_SPANNED = 1e-3  # of the largest eigenvalue: a dimension of which only rounding is known

Codes = NDArray[np.float32]


def learned(a: Codes, b: Codes, sizes: tuple[Float64Array, Float64Array] | None, matrices: int) -> float:
    """How far the paired codes of two layers lie from those of an initialisation in the same way, 0 for one.

    `a` and `b` (kinds, n, 32) have norm 1; `sizes` are the logarithms of the lengths that the neurons have in so many
    `matrices` together, (n,), None if unknown. The sum of squares, relative to those of even codes, of the differences
    of the second moments, of the moments of two matrices and of the means; and by how much more the lengths vary in
    common than lengths of normal codes do.
    """
    # What lies in one half of the neurons is held against the other half: chance is not the same in both.
    wide = a.astype(np.float64), b.astype(np.float64)
    dimensions, even = _spanned(wide[0])
    mine, theirs = ([_uneven(codes[:, half::2], even) for half in (0, 1)] for codes in wide)
    shapes = 0.5 * sum(
        float((x * y).sum()) / len(x)
        for one, other in ((0, 1), (1, 0))
        for x, y in zip(mine[one], theirs[other], strict=True)
        if len(x)
    )
    if sizes is None:
        return dimensions * shapes
    normal = matrices * (1.0 + 1.0 / dimensions) / (2.0 * dimensions)  # variance of the logarithm of a chi variable
    return dimensions * shapes + max(0.0, float(np.cov(*sizes)[0, 1]) / normal - 1.0)


def _spanned(codes: Float64Array) -> tuple[int, Float64Array]:
    """The number of dimensions in which codes lie, and the second moment of even ones, of trace 1."""
    values, vectors = np.linalg.eigh(np.einsum("kni,knj->ij", codes, codes))
    own = vectors[:, values > _SPANNED * values[-1]]
    return own.shape[1], own @ own.T / own.shape[1]


def _uneven(codes: Float64Array, even: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Second moments less those of even codes, (kinds, 32, 32), moments of every two kinds, and means (kinds, 32)."""
    kinds, count, _ = codes.shape
    moments = np.einsum("kni,lnj->klij", codes, codes) / count
    own = np.einsum("kkij->kij", moments)
    traces = np.trace(own, axis1=1, axis2=2)
    return own - traces[:, None, None] * even, moments[np.triu_indices(kinds, 1)], codes.mean(axis=1)
