"""Movements between models measured by their neurons, whatever the order of these and the basis of the weights.

Neurons are described by their action on tokens, which no disguise alters: paired with those of two other models, they
show where the three lie. Training on one kind of data moves every model the same way in a few directions, so what two
models have in common in these proves nothing. In all other directions each training leaves movements of its own, which
a child keeps from its parent and a sibling does not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Points
from lineage.ancestry.trees.kept_comparisons import WeakKey
from lineage.match.cache import Latest
from lineage.match.disguise import partners
from lineage.sketch.remembered import remembered
from lineage.sketch.stacks import by_kind
from lineage.sketch.vectors import networks_in
from lineage.types import CheckpointSketch, Neurons

_IN_COMMON = 8  # directions of 32 in which training on one kind of data moves all models
_LEAST = 24  # neurons that three layers must share
_FEWEST = 2  # matrices that must have moved plainly
_FLAT = 1e-9  # of weights and shares: two models that do not differ at all
_PLAINLY = 0.5  # of what rounding adds
_BARELY = 0.1  # the same, where nothing moved more
# Calibration half of the practice zoo, with models tuned once more in disguise: of 122 children 103 hold as much of
# what their parent learned as these limits allow, and the parents of most others moved by hardly more than rounding; of
# 166 siblings that lie nearer to the supposed parent, most of them trained on the same data, 147 do not.
_LEAST_HELD = 0.88
_MOST_HELD = 1.75
_SLACK = 0.08  # error of these limits
_CLEAR = 0.1  # error up to which a share is known well
_BLURRED = 0.2  # error from which the common directions are taken in again
_OPPOSED = 0.2  # share of the opposite movement, at least, that counts as one
_ERRORS = 4.0  # standard errors, at least, of such a share
_ALL_HELD = 0.15  # how far the share of all directions may lie off 1, where the others moved too little


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Inner products of movements in matrices of a network: of one with a step, and of the step with itself.

    `error` is the variance of the first, `noise` the part of the second that rounding made, which it is without.
    """

    along: Points
    step: Points
    error: Points
    noise: Points

    def share(self, least: float = _PLAINLY) -> tuple[float, float] | None:
        """The share of the step in the movement and its standard error; None with too few matrices that moved.

        Those count whose step is longer than what rounding adds to it, by `least`.
        The matrices are combined by their errors and by how much they differ beyond these (DerSimonian and Laird 1986).
        """
        known = self.step > least * self.noise
        if known.sum() < _FEWEST:
            return None
        shares, errors = self.along[known] / self.step[known], self.error[known] / self.step[known] ** 2 + _FLAT
        weights = 1.0 / errors
        mean = float(weights @ shares / weights.sum())
        spread = float(weights @ (shares - mean) ** 2) - (len(shares) - 1)
        between = max(0.0, spread / float(weights.sum() - weights @ weights / weights.sum()))
        weights = 1.0 / (errors + between)
        return float(weights @ shares / weights.sum()), 1.0 / math.sqrt(float(weights.sum()))


@dataclass(frozen=True, slots=True)
class Held:
    """The share of another model's movement in a model's own, and its standard error.

    Beyond the directions that training on one kind of data has in common, or of the whole movement (`is_whole`) where
    that is too short.
    """

    share: float
    error: float
    is_whole: bool

    @property
    def odds(self) -> float:
        """The probability that the model holds the movement as children of the other do, 0..1."""
        most = 1.0 + _ALL_HELD if self.is_whole else _MOST_HELD
        error = math.hypot(self.error, _SLACK) * math.sqrt(2.0)
        least = 1.0 - _ALL_HELD if self.is_whole else _LEAST_HELD
        return 0.5 * (math.erf((most - self.share) / error) - math.erf((least - self.share) / error))

    @property
    def is_clear(self) -> bool:
        """Whether it is known well, and beyond the common directions."""
        return not self.is_whole and self.error <= _CLEAR

    @property
    def between_siblings(self) -> float:
        """How likely siblings hold as much of each other's movements, relative to the likeliest share, 0.

        Calibration half of the practice zoo, 721 pairs: half hold less than a tenth, one in ten more than a half, few
        any of the opposite movement.
        """
        return 0.95 * math.exp(-4.0 * max(0.0, self.share)) + 0.05

    @property
    def is_opposed(self) -> bool:
        """Whether the model moved the opposite way."""
        return self.share < -max(_OPPOSED, _ERRORS * self.error)


def held_by_neurons(model: CheckpointSketch, other: CheckpointSketch, origin: CheckpointSketch) -> Held | None:
    """What a model holds of another's movement from `origin` in its neurons.

    None where neurons of the three cannot be paired, or the other did not move. Remembered: questions about one family
    ask it of the same three models again and again.
    """
    three = _key(model), _key(other), _key(origin)
    if three not in _kept:
        _kept.keep([(three, _measured(model, other, origin))])
    return _kept[three]


_key = remembered(WeakKey)
_kept: Latest[tuple[WeakKey, WeakKey, WeakKey], Held | None] = Latest(1 << 14)


def _measured(model: CheckpointSketch, other: CheckpointSketch, origin: CheckpointSketch) -> Held | None:
    movements = list(_movements([*_paired(model, other, origin)]))
    beyond = _moved(movements, _IN_COMMON).share()
    if beyond is not None and beyond[1] <= _BLURRED:
        return Held(*beyond, is_whole=False)
    moved = _moved(movements, 0)
    whole = moved.share() or moved.share(_BARELY)
    return None if whole is None else Held(*whole, is_whole=True)


Placed = tuple[Points, Points]
"""Weights of neurons along the anchors (k, n, 32) in k matrices, and the variance of the rounding of each (k, n)."""

Three = tuple[Placed, Placed, Placed]


@dataclass(frozen=True, slots=True, eq=False)
class _Movement:
    """The movements of n neurons in k matrices from one model to two others.

    `step` is the second's and `movement` the first's, (k, n, 32), both times the root of the `weights` (k, n) by which
    neurons count. `rounded` are two variances (k, n), see `_rounding`. `axes` (k, 32, 32) are the directions of each
    half of the neurons, in columns, those in which the second moved most at last. `places` (k,) are those of the
    matrices among all.
    """

    places: NDArray[np.int64]
    step: Points
    movement: Points
    weights: Points
    rounded: tuple[Points, Points]
    axes: tuple[Points, Points]

    def sums(self, common: int) -> Points:
        """What `_Blocks` holds of each matrix, (k, 4), without the `common` directions of the second's movement.

        These are found in one half of the neurons and left out in the other.
        """
        along, squares, error, rounding = np.zeros((4, len(self.step)))
        for half in (0, 1):
            axes = self.axes[1 - half][:, :, : self.step.shape[2] - common]
            moved, went = self.step[:, half::2] @ axes, self.movement[:, half::2] @ axes
            across, within = (
                axes.shape[2] * np.vecdot(self.weights[:, half::2], added[:, half::2]) for added in self.rounded
            )
            square = _dot(moved, moved)
            error += np.square(went - moved).reshape(len(moved), -1).mean(axis=1) * square
            along, squares = along + _dot(moved, went) - across, squares + square - within
            rounding += within
        return np.stack([along, squares, error, rounding], axis=1)


def _moved(movements: Sequence[_Movement], common: int) -> _Blocks:
    """Movements from the last of three models to the others, matrix by matrix."""
    sums = np.zeros((1 + max((int(one.places.max()) for one in movements), default=-1), 4))
    for one in movements:
        sums[one.places] = one.sums(common)
    return _Blocks(*sums.T)


def _movements(layers: Sequence[Three]) -> Iterator[_Movement]:
    """The movements in the matrices of all layers, those of equally many neurons together."""
    first = np.cumsum([0, *(len(origin[0]) for *_, origin in layers)])
    for some in by_kind([origin[0].shape[1] for *_, origin in layers], max(1, len(layers))):
        places = np.concatenate([np.arange(first[i], first[i + 1]) for i in some])
        model, other, origin = (
            (np.concatenate([layers[i][side][0] for i in some]), np.concatenate([layers[i][side][1] for i in some]))
            for side in range(3)
        )
        # Without weights nothing moved.
        live = np.flatnonzero(_dot(model[0], other[0]) > 0.0)
        if live.size:
            yield _movement(places[live], *((one[0][live], one[1][live]) for one in (model, other, origin)))


def _movement(places: NDArray[np.int64], model: Placed, other: Placed, origin: Placed) -> _Movement:
    size = np.square(origin[0]).reshape(len(places), -1).mean(axis=1)
    # Pruning and decay make a model smaller, which is no movement back to the origin.
    kept = _dot(model[0], other[0]) / _dot(other[0], other[0])
    step, movement = other[0] - origin[0], model[0] / kept[:, None, None] - origin[0]
    # Neurons count by how well they are known: in some networks a few carry most of what training changes.
    left = np.square(movement - step).mean(axis=2)
    weights = 1.0 / (left + np.median(left, axis=1)[:, None] + (_FLAT * size)[:, None])
    weights /= (weights.mean(axis=1) * size)[:, None]
    step, movement = (np.sqrt(weights)[:, :, None] * one for one in (step, movement))
    halves = [step[:, half::2] for half in (0, 1)]
    axes = [np.linalg.eigh(half.swapaxes(1, 2) @ half)[1] for half in halves]
    return _Movement(places, step, movement, weights, _rounding(model, other, origin), (axes[0], axes[1]))


def _dot(one: Points, other: Points) -> Points:
    """Inner products of matrices (k, n, m), (k,)."""
    return np.asarray(np.vecdot(one.reshape(len(one), -1), other.reshape(len(other), -1)))


def _rounding(model: Placed, other: Placed, origin: Placed) -> tuple[Points, Points]:
    """What the rounding of codes adds to a product of both movements and to the square of the other's, by neuron.

    Codes that differ by less than a step are rounded alike.
    """
    turned, near, far = (_rounded_alike(*two) for two in ((model, other), (origin, other), (model, origin)))
    return turned - far - near + origin[1], other[1] + origin[1] - 2.0 * near


def _rounded_alike(one: Placed, other: Placed) -> Points:
    """The covariance of the rounding errors of the codes of each neuron in two models, (k, n)."""
    both = np.sqrt(one[1] * other[1])
    apart = np.square(one[0] - other[0]).mean(axis=2) / np.where(both > 0, 12.0 * both, 1.0)
    return np.asarray(both * np.interp(apart, *_of_steps()))


@cache
def _of_steps() -> tuple[Points, Points]:
    """The mean square of differences of rounded numbers, in steps, and the correlation of their rounding errors.

    Of numbers whose differences are normal: the Fourier series of the error (Widrow and Kollar 2008).
    """
    deviations = np.linspace(0.0, 1.0, 201)
    waves = np.arange(1, 200)[:, None]
    alike = 6.0 / math.pi**2 * (np.exp(-2.0 * (math.pi * waves * deviations) ** 2) / waves**2).sum(axis=0)
    alike[0] = 1.0
    return deviations**2 + (1.0 - alike) / 6.0, alike


def _paired(*models: CheckpointSketch) -> Iterator[Three]:
    """The same neurons of the three models, layer by layer, of towers of which the same layers are known."""
    towers = [_towers(one) for one in models]
    for component in sorted(towers[0].keys() & towers[1].keys() & towers[2].keys()):
        of_models = [one[component] for one in towers]
        if len({tuple((one.layer, len(one.codes)) for one in layers) for layers in of_models}) > 1:
            continue
        for own in zip(*of_models, strict=True):
            found = [partners(own[2], one) for one in own[:2]]
            both = np.flatnonzero((found[0] >= 0) & (found[1] >= 0))
            if len(both) >= _LEAST:
                yield _matrices(own[0], found[0][both]), _matrices(own[1], found[1][both]), _matrices(own[2], both)


@remembered
def _towers(sketch: CheckpointSketch) -> Mapping[str, Sequence[Neurons]]:
    """The layers of each component, in their order, by rows or by the inputs."""
    known = networks_in(one for one in sketch.neurons if one.scale is not None)
    return {name: sorted(own, key=lambda one: one.layer) for (name, keyed), own in known.items() if keyed != "token"}


def _matrices(neurons: Neurons, places: NDArray[np.int64]) -> Placed:
    """Some neurons in each matrix; a scale moved from what reads to what writes is divided between both."""
    assert neurons.scale is not None
    codes, steps = neurons.codes[:, places].astype(np.float64), neurons.scale[:, places].astype(np.float64)
    sizes = np.linalg.norm(codes, axis=2) * steps
    sizes = np.where(sizes > 0, sizes, 1.0)
    steps[-2:] *= np.sqrt(sizes[-2] * sizes[-1]) / sizes[-2:]
    return codes * steps[:, :, None], steps**2 / 12.0
