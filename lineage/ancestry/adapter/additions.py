"""An adapter in the differences of known models: child - base = weight * product, if it was merged into the child.

One correlation selects the pairs to test; a permutation null gives the significance. It does not distinguish a merge
from another adapter of the same base trained on similar data: such products have correlations of 0.1 to 0.4, and up to
0.993 if they started with the same first factors. So a merge is reported only if base and product predict the values of
the child, within the rounding of its type and of the merge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.adapter.fitting import Fitted, places
from lineage.ancestry.pair.narrow_types import number_spacing
from lineage.match import LOG10_ALPHA
from lineage.match.permutation import standardised_trace
from lineage.match.tails import log10_factorial, log10_normal
from lineage.match.values import common_values
from lineage.types import Addition, CheckpointSketch, Float64Array

_LOOKED_AT = 0.2  # correlation from which a pair is tested
_ALIKE = 0.5  # correlation from which a pair that is not a merge is reported
_PREDICTED = 0.95  # least share of the moved values that equal the result of a merge
_EXACTNESS = 2.0**-8  # of the product: merges are computed in bf16 or TF32; a retrained adapter is off by hundredths
_MOST = 8  # greatest number of pairs tested
_MOST_ALIKE = 3  # greatest number of similar pairs reported
_TIE = 1e-4  # below the rounding of correlations: decides ties only
_COPY = 1e-12  # share of the squared weights below which two models are equal
_NEAR = 0.5  # share of the squared weights from which two models are too far apart


def correlations(adapter: CheckpointSketch, fitted: Sequence[Fitted]) -> Float64Array:
    """Correlations of the products with the difference of every two near models, (child, base), over sampled values.

    Every tensor is centred and weighted by its size. NaN if two models are equal, or too far apart for one to be the
    other with an adapter: such a difference consists mostly of the base's own weights.
    """
    along, gram, square = np.zeros(len(fitted)), np.zeros((len(fitted), len(fitted))), 0.0
    for k, tensor in enumerate(adapter.tensors):
        weight = tensor.params / tensor.values.size
        product = _centred(tensor.values).reshape(-1)
        held = np.stack([_centred(one.values[k]).reshape(-1) for one in fitted])
        along += weight * (held @ product)
        gram += weight * (held @ held.T)
        square += weight * float(product @ product)
    own = np.diag(gram)
    apart = own[:, None] + own - 2.0 * gram
    near = (apart > _COPY * own) & (apart < _NEAR * own) & (square > 0)
    return np.where(near, (along[:, None] - along) / np.sqrt(np.where(near, square * apart, 1.0)), np.nan)


def additions(
    adapter: CheckpointSketch, fitted: Sequence[Fitted], declared: frozenset[str]
) -> tuple[tuple[Addition, ...], int]:
    """Pairs of models whose difference contains the products, and the number of pairs (child, base) tried.

    The best base for each child, merges first; on a tie, a base whose id is in `declared` is preferred. Every pair of
    near models counts as a hypothesis.
    """
    if len(fitted) < 2:
        return (), 0
    measured = correlations(adapter, fitted)
    pairs = int(np.isfinite(measured).sum())
    r = np.round(np.nan_to_num(measured), 3)
    preferred = np.array([one.record.id in declared for one in fitted], np.float64)
    bases = np.argmax(r + _TIE * preferred, axis=1)
    best = sorted(enumerate(bases.tolist()), key=lambda pair: -r[pair])[:_MOST]
    chosen = [(fitted[child], fitted[base]) for child, base in best if r[child, base] >= _LOOKED_AT]
    tested = [_tested(adapter, *pair, hypotheses=pairs) for pair in chosen]
    found = sorted((one for one in tested if one.log10_p < LOG10_ALPHA), key=lambda one: -one.r)
    alike = [one for one in found if one.word == "alike" and one.r >= _ALIKE]
    return (*(one for one in found if one.word == "merged"), *alike[:_MOST_ALIKE]), pairs


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """One product, its tensor in the base and in the child, the spacing of the child's type, and its weight."""

    product: Float64Array
    before: Float64Array
    after: Float64Array
    spacing: Float64Array
    weight: float

    @property
    def change(self) -> Float64Array:
        """The difference of the child from the base."""
        return self.after - self.before


def _tested(adapter: CheckpointSketch, child: Fitted, base: Fitted, hypotheses: int) -> Addition:
    moved = list(_moved(adapter, child, base))
    products, changes = [_centred(m.product) for m in moved], [_centred(m.change) for m in moved]
    weights = [m.weight for m in moved]
    crossed, square, change = (
        sum(w * float(np.vdot(x, y)) for w, x, y in zip(weights, left, right, strict=True))
        for left, right in ((products, changes), (products, products), (changes, changes))
    )
    weight = crossed / square
    z, floor = _permutation(moved)
    predicted = _predicted(moved, weight)
    return Addition(
        word="merged" if predicted >= _PREDICTED else "alike",
        child=child.record.id,
        child_name=child.record.name,
        base=base.record.id,
        base_name=base.record.name,
        r=crossed / math.sqrt(square * change),
        z=z,
        log10_p=min(0.0, max(log10_normal(z), floor) + math.log10(hypotheses)) if z > 0 else 0.0,
        weight=weight,
        predicted=predicted,
    )


def _moved(adapter: CheckpointSketch, child: Fitted, base: Fitted) -> Iterator[_Moved]:
    model = child.index.load(child.record.id)
    for i, j, turned in places(adapter, model):
        product, after = common_values(adapter.tensors[i], model.tensors[j], turned)
        spacing = number_spacing(model.tensors[j])
        yield _Moved(
            product.astype(np.float64),
            base.values[i].astype(np.float64),
            after.astype(np.float64),
            (spacing.T if turned else spacing).astype(np.float64),
            adapter.tensors[i].params / product.size,
        )


def _predicted(moved: Sequence[_Moved], weight: float) -> float:
    """Share, of values that moved or should have, that equal base + weight * product rounded to the child's type."""
    right = told = 0
    for one in moved:
        added = weight * one.product
        off = np.abs(one.change - added)
        counts = (one.change != 0) | (np.abs(added) > one.spacing)
        told += int(counts.sum())
        right += int((counts & (off <= 0.51 * one.spacing + _EXACTNESS * np.abs(added))).sum())
    return right / told if told else 0.0


def _permutation(moved: Sequence[_Moved]) -> tuple[float, float]:
    """The z of products and changes under relabelling of rows or columns, and the least log10 p it can mean.

    Values are replaced by their ranks, so that a few outliers do not decide. Of the two axes of each tensor the one
    nearer to chance counts, since a direction shared by all adapters of a base shows along one axis only. Tensors are
    combined by Stouffer's method.
    """
    zs: list[float] = []
    floor = 0.0
    for one in moved:
        product, change = _ranks(one.product), _ranks(one.change)
        tests = [standardised_trace(*_agreement(x, y)) for x, y in ((product, change), (product.T, change.T))]
        known = [test for test in tests if test is not None]
        if len(known) == len(tests):
            nearest = min(known, key=lambda test: abs(test.z))
            zs.append(nearest.z)
            floor -= log10_factorial(nearest.units)
    return (sum(zs) / math.sqrt(len(zs)) if zs else 0.0), floor


def _agreement(x: Float64Array, y: Float64Array) -> tuple[float, float, float, int]:
    """Trace, squared norm, trace at r = 1, and number of units of the centred agreement of the rows of two arrays."""
    if len(x) < 2:
        return 0.0, 0.0, 0.0, 2
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    alike = float((np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)).sum())
    return float(np.vdot(x, y)), float(np.square(x @ y.T).sum()), alike, len(x)


def _ranks(values: Float64Array) -> Float64Array:
    """Ranks of all values, equal ones sharing theirs, centred, as an array of the same shape."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0
    return np.asarray((middle[place] - (values.size + 1) / 2.0).reshape(values.shape))


def _centred(values: NDArray[np.floating[Any]]) -> Float64Array:
    wide: Float64Array = values.astype(np.float64)
    wide -= wide.mean()
    return wide
