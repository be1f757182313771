"""The same neurons in another order and basis: found by one set of codes, tested on another.

Neurons of two layers are paired by the codes of their first matrix, if each is the other's nearest. If the two networks
are unrelated, the codes of the other matrices agree under this pairing no better than under any other: their trace is
standardised as in `lineage.match.permutation`. Within one network, however, what a neuron writes depends on what it
reads, and similarly so in networks trained on similar data. The part of the other codes that follows linearly from the
first is therefore removed from each side (largest z of unrelated layers on the calibration half of the practice zoo:
7.7 with this part, 3.8 without). The test is then not quite exact: its spread is measured on unrelated models
(docs/results.md), and the threshold allows for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from lineage.match.cache import Latest
from lineage.match.learned import learned
from lineage.match.permutation import permutation_test, standardise
from lineage.match.tails import log10_normal
from lineage.sketch.remembered import remembered
from lineage.sketch.vectors import network_vectors, networks_in
from lineage.types import Float64Array, Neurons
from lineage.types.sketch import AnchorKey

SUGGESTIVE = 0.3
"""Cosine of two networks' vectors from which they are worth a look: that of a parent and a child is above 0.45 on the
calibration half of the practice zoo."""

networks = remembered(network_vectors)
"""The vectors of a model's networks, cached because many comparisons use them."""

_LEAST = 24  # pairs that a test needs
_GATED = 3  # kinds of matrices, the gate first
_RIDGE = 0.01  # of the mean eigenvalue
_PLAINLY = 3.0  # times as much as sizes changed otherwise
_ROUNDING = 4e-5  # one less the cosine of codes that narrow types leave: 3.8e-5 at most on the calibration half
_MOST = 0.9  # of the pairs
_PARTNERS = 0.5  # least mean cosine of the codes of two neurons that are one
_KEPT = 128  # layers that are kept ready, a sixth of a megabyte each: those of a dozen models
_MOST_FOUND = 512  # comparisons of models that are kept, some ten kilobytes each
_SPREAD = 1.25  # of z between unrelated models, where independence would give 1


@dataclass(frozen=True, slots=True)
class LayerPair:
    """Two compared layers: z of the test, the correlation of paired codes, and the pairs (query, reference).

    `sizes` is the correlation of the logarithms of the neurons' sizes, which do not change if a scale is moved from one
    matrix to the next; `scaled` is the standard deviation of the logarithms of such scales, 0 if sizes changed as much
    in other ways; `heads` is the cosine of their attention. Each is None if unknown in one of the two layers. `apart`
    is the distance (1 - cosine) of codes that nine in ten pairs do not exceed, in the matrix in which they differ most.
    `learned` is what both have that no initialisation gives (see `lineage.match.learned`), None for channels, whose
    codes are made even.
    """

    layers: tuple[int, int]
    z: float
    r: float
    sizes: float | None
    scaled: float | None
    heads: float | None
    apart: float
    learned: float | None
    pairs: NDArray[np.int64]
    of: int


@dataclass(frozen=True, slots=True)
class Disguise:
    """One component of two models whose neurons are the same in another order or basis.

    `z` combines the layers (Stouffer) after each was divided by the spread between unrelated models; `log10_p` is
    corrected for the orders of layers tried, and the components. `keyed` is what identifies the anchors of both.
    """

    component: tuple[str, str]
    layers: tuple[LayerPair, ...]
    z: float
    log10_p: float
    keyed: AnchorKey = "row"

    @property
    def r(self) -> float:
        """The median correlation of paired codes."""
        return float(np.median([one.r for one in self.layers]))

    @property
    def sizes(self) -> float | None:
        """The median correlation of the sizes of paired neurons, None if unknown."""
        known = [one.sizes for one in self.layers if one.sizes is not None]
        return float(np.median(known)) if known else None

    @property
    def scaled(self) -> float:
        """The median rescaling between matrices (see `LayerPair.scaled`), 0 if unknown."""
        known = [one.scaled for one in self.layers if one.scaled is not None]
        return float(np.median(known)) if known else 0.0

    @property
    def off(self) -> float | None:
        """By how much the heads of any layer differ, as one less their cosine; None where nothing is known of them.

        They are kept more exactly than neurons: the rounding of a narrow type shows.
        """
        known = [1.0 - one.heads for one in self.layers if one.heads is not None]
        return max(known) if known else None

    @property
    def apart(self) -> float:
        """By how much the neurons of any layer differ, as one less the cosine of their codes."""
        return max(one.apart for one in self.layers)

    @property
    def learned(self) -> float | None:
        """The mean of what these layers have in common beyond an initialisation, None if unknown."""
        known = [one.learned for one in self.layers if one.learned is not None]
        return float(np.mean(known)) if known else None

    @property
    def kept(self) -> tuple[float, ...]:
        """What descent keeps, as far as it is known: the codes, the sizes, the heads.

        An initialisation in common keeps the codes longest: what was learned apart is in the sizes and heads.
        """
        known = (self.r, self.sizes, None if self.off is None else self.heads)
        return tuple(one for one in known if one is not None)

    @property
    def likeness(self) -> float:
        """How near the two are in all that was held: neurons and, where known, heads, a third of a layer.

        Codes that lie apart by no more than their own rounding count as the same: heads are known better.
        """
        if not any(one.heads is not None for one in self.layers):
            return self.r
        return (2.0 * (1.0 if self.r > 1.0 - _ROUNDING else self.r) + self.heads) / 3.0

    @property
    def heads(self) -> float:
        """The mean cosine of the attention of these layers, 0 if unknown."""
        known = [one.heads for one in self.layers if one.heads is not None]
        return float(np.mean(known)) if known else 0.0


def disguises(query: Sequence[Neurons], reference: Sequence[Neurons]) -> tuple[Disguise, ...]:
    """For each component of the query, the component of the reference with the largest z, significant or not.

    Cached: a model that is asked about is compared with its relatives once more in the tree of their family.
    """
    both = tuple(map(ref, query)), tuple(map(ref, reference))
    found = _found.get(both)
    if found is None:
        found = _disguises(query, reference)
        _found.keep([(both, found)])
    return found


_found: Latest[tuple[tuple[ref[Neurons], ...], tuple[ref[Neurons], ...]], tuple[Disguise, ...]] = Latest(_MOST_FOUND)


def _disguises(query: Sequence[Neurons], reference: Sequence[Neurons]) -> tuple[Disguise, ...]:
    mine, theirs = (
        {key: [_prepared(one) for one in layers] for key, layers in networks_in(neurons).items()}
        for neurons in (query, reference)
    )
    found = []
    for name in dict.fromkeys(component for component, _ in mine):
        pairs = [(mine[a], theirs[b]) for a in mine for b in theirs if a[0] == name and a[1] == b[1]]
        tried = [held for ours, other in pairs if (held := _held(ours, other)) is not None]
        if tried:
            best = max(tried, key=lambda held: held.z)
            found.append(replace(best, log10_p=min(0.0, best.log10_p + math.log10(len(tried)))))
    return tuple(found)


def partners(one: Neurons, other: Neurons) -> NDArray[np.int64]:
    """For each neuron of a layer its place among those of another, (n,): each the other's nearest by all their codes.

    -1 for neurons without a partner. For layers known to be related, with the same kinds of matrices.
    """
    known = _partners(one)
    if other not in known:
        known[other] = _nearest(one, other)
    return known[other]


@remembered
def _partners(one: Neurons) -> WeakKeyDictionary[Neurons, NDArray[np.int64]]:  # noqa: ARG001 - whose they are
    """The partners of a layer's neurons in other layers, which many looks at three models need."""
    return WeakKeyDictionary()


def _nearest(one: Neurons, other: Neurons) -> NDArray[np.int64]:
    a, b = _prepared(one).unit, _prepared(other).unit
    likeness = np.matmul(a, b.transpose(0, 2, 1)).mean(axis=0)
    there, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    places = np.arange(len(there))
    return np.where((back[there] == places) & (likeness[places, there] > _PARTNERS), there, -1).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A layer prepared for comparison with many others.

    `unit` (kinds, n, 32) are its codes with norm 1, `beyond` (n, 32) each but the first as far as that does not tell
    them, `sizes` (kinds, n) the logarithms of the sizes, None where they are not known.
    """

    neurons: Neurons
    unit: NDArray[np.float32]
    beyond: tuple[NDArray[np.float32], ...]
    sizes: Float64Array | None


_kept: Latest[Neurons, _Layer] = Latest(_KEPT)


@dataclass(frozen=True, slots=True, eq=False)
class _Paired:
    """Paired neurons of two layers: their places in the first, their partners in the second, and the z of the test."""

    own: NDArray[np.int64]
    facing: NDArray[np.int64]
    z: float


def _prepared(one: Neurons) -> _Layer:
    held = _kept.get(one)
    if held is None:
        unit = unit_codes(one.codes)
        beyond = tuple(_beyond(unit[0], other) for other in unit[1:])
        held = _Layer(one, unit, beyond, None if one.scale is None else _log_sizes(one.codes, one.scale))
    _kept.keep([(one, held)])
    return held


def _held(mine: Sequence[_Layer], theirs: Sequence[_Layer]) -> Disguise | None:
    table = [[_paired(a, b) for b in theirs] for a in mine]
    scores = np.array([[0.0 if one is None else max(0.0, one.z) for one in row] for row in table])
    chosen = [_described(mine[i], theirs[j], one) for i, j in _in_order(scores) if (one := table[i][j]) is not None]
    if not chosen:
        return None
    # All layers of the shorter side count, so that one good pair among many is not overrated.
    z = sum(one.z for one in chosen) / _SPREAD / math.sqrt(len(chosen))
    log10_p = log10_normal(z) + math.log10(math.comb(sum(scores.shape), len(mine))) if z > 0 else 0.0
    components = mine[0].neurons.component, theirs[0].neurons.component
    return Disguise(components, tuple(chosen), z, min(0.0, log10_p), mine[0].neurons.keyed)


def _paired(a: _Layer, b: _Layer) -> _Paired | None:
    """The paired neurons of two layers, tested; None with too few pairs or different kinds of matrices."""
    if len(a.unit) != len(b.unit):
        return None
    likeness = a.unit[0] @ b.unit[0].T
    there, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    own = np.flatnonzero(back[there] == np.arange(len(there)))
    if len(own) < _LEAST:
        return None
    facing = there[own]
    test = permutation_test(
        [(standardise(x[own]), standardise(y[facing])) for x, y in zip(a.beyond, b.beyond, strict=True)]
    )
    return None if test is None else _Paired(own, facing, test.z)


def _described(a: _Layer, b: _Layer, held: _Paired) -> LayerPair:
    """The measurements of two paired layers."""
    own, facing = held.own, held.facing
    left, right = a.neurons, b.neurons
    cosines = (a.unit[:, own] * b.unit[:, facing]).sum(axis=2)
    r = float(np.mean(np.median(cosines[1:], axis=1)))
    apart = float(np.quantile(1.0 - cosines, _MOST, axis=1).max())
    pairs = np.stack([left.index[own], right.index[facing]], axis=1)
    heads = (
        None
        if left.attention is None or right.attention is None
        else float(np.vdot(left.attention, right.attention)) / 2.0
    )
    both = _sizes(a, b, own, facing)
    alike, scaled = (None, None) if both is None else _of_sizes(*both)
    if left.keyed == "input":
        beyond = None
    else:
        told = None if both is None else (_unscaled(both[0]), _unscaled(both[1]))
        beyond = learned(a.unit[:, own], b.unit[:, facing], told, 1 if len(a.unit) == _GATED else len(a.unit))
    of = min(len(left.index), len(right.index))
    return LayerPair((left.layer, right.layer), held.z, r, alike, scaled, heads, apart, beyond, pairs, of)


def _sizes(
    a: _Layer, b: _Layer, own: NDArray[np.int64], facing: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array] | None:
    """The logarithms of the sizes of paired neurons, both (kinds, n); None if unknown."""
    if a.sizes is None or b.sizes is None or a.neurons.keyed == "input":  # channels are known up to a scale
        return None
    return a.sizes[:, own], b.sizes[:, facing]


def _of_sizes(left: Float64Array, right: Float64Array) -> tuple[float | None, float]:
    """How alike the sizes of paired neurons are, and how much was moved from what reads to what writes."""
    reads, writes = left[-2:] - right[-2:]
    moved = float((reads - writes).std() / 2.0)
    x, y = _unscaled(left), _unscaled(right)
    alike = float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else None
    return alike, moved if moved > _PLAINLY * float((reads + writes).std() / 2.0) else 0.0


def _unscaled(sizes: Float64Array) -> Float64Array:
    """Of a gate, which nothing can scale, its own size; without one that of what reads and what writes together."""
    return np.asarray(sizes[0] if len(sizes) == _GATED else sizes.sum(axis=0))


def _log_sizes(codes: NDArray[np.int8], scale: NDArray[np.float32]) -> Float64Array:
    return np.asarray(np.log(np.maximum(np.linalg.norm(codes.astype(np.float64), axis=-1), 1.0) * scale), np.float64)


def unit_codes(codes: NDArray[np.int8]) -> NDArray[np.float32]:
    """Codes (..., 32) with norm 1; those that are zero stay it."""
    rows = codes.astype(np.float32)
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0), np.float32)


def _beyond(first: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The residual of the `other` codes after a linear map of the `first` (ridge regression); all (n, 32)."""
    x, y = first - first.mean(axis=0), other - other.mean(axis=0)
    gram = x.T @ x
    ridge = _RIDGE * float(np.trace(gram)) / len(gram) or 1.0  # of codes that are all zero nothing follows
    return np.asarray(y - x @ np.linalg.solve(gram + ridge * np.eye(len(gram), dtype=np.float32), x.T @ y), np.float32)


def _in_order(scores: Float64Array) -> list[tuple[int, int]]:
    """Pairs (query layer, reference layer), both ascending, with the greatest total score."""
    n, m = scores.shape
    best = np.zeros((n + 1, m + 1))
    for i in range(n):
        for j in range(m):
            best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], best[i, j] + scores[i, j])
    found, i, j = [], n, m
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]
