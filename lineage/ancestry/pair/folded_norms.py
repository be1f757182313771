"""Norms of one side that are folded into the matrices beside them in the other, which therefore came later.

A batch norm multiplies each channel by gain / sqrt(variance + epsilon), a norm by length by its gain. Exports fold
these numbers into the weights before the norm or behind it. Whoever holds the norm can compute that; from the folded
weights alone neither gain nor variance can be told.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.changes import Change, Changes
from lineage.ancestry.pair.channel_scales import row_factors
from lineage.match import Match
from lineage.match.values import common_values
from lineage.types import CheckpointSketch, Direction, Float64Array, TensorMatch, TensorSketch
from lineage.types.facts.schemes import UnitScales

_FEWEST = 8  # units whose factors must be explained
_CLOSE = 2.0**-9  # relative, of factors and biases: folded and stored in half precision
_SPREAD = 16 * _CLOSE  # relative standard deviation of factors: a constant would explain those that are all alike
_LEAST_GAIN = 1e-3  # of the largest: rounding decides the factors of smaller ones
_MOST_EPSILON = 0.1  # of a batch norm: libraries have 1e-5 to 1e-3
_VARIANCE = re.compile(r"(?:running|moving)_var(?:iance)?\b|(?<=[./])var$")
_COLLECTION = re.compile(r"^(?:batch_stats|params)[./]")  # Flax keeps the vectors of one norm in two of them
_LAST_WORD = re.compile(r"[./][^./]*$")


class _Scales(NamedTuple):
    """Factors of the units along an axis of `length`, at sampled `positions`, from the whole to the folded side."""

    length: int
    positions: NDArray[np.int64]
    factors: Float64Array

    @property
    def are_telling(self) -> bool:
        """Whether there are enough of them, unlike enough."""
        known = self.factors[np.isfinite(self.factors)]
        return int(np.count_nonzero(known)) >= _FEWEST and float(known.std()) > _SPREAD * abs(float(known.mean()))


class _Norm(NamedTuple):
    """The vectors of a norm by name, float64 at the sampled `positions`; `variance` is None for a norm by length.

    `place` is where it stands in its model.
    """

    place: int
    length: int
    positions: NDArray[np.int64]
    variance: Float64Array | None
    vectors: Mapping[str, Float64Array]


class _Folded(NamedTuple):
    """A norm, what it multiplies its channels by at the sampled positions, and the name of its gain, if it has one.

    `shifts` (ways, sampled) are what it may add: which of its vectors is the mean and which the offset is not known.
    """

    norm: _Norm
    factors: Float64Array
    gain: str | None
    shifts: Float64Array

    @classmethod
    def of(cls, norm: _Norm, factors: Float64Array, gain: str | None) -> _Folded:
        vectors = np.stack([np.zeros(len(factors)), *norm.vectors.values()])
        return cls(norm, factors, gain, (vectors[:, None] - factors * vectors).reshape(-1, len(factors)))


def with_folds(matched: Match, changes: Changes) -> Changes:
    """The changes, with a direction for matrices whose units are scaled by what norms of one side do to them.

    So have the biases and gains that follow from it. There is no direction if some scales have no such norm: then
    one of the two was trained as well, or what was folded is not known.
    """
    scaled = [held for held, change in changes if change.scales_units]
    for direction in (Direction.CHILD, Direction.PARENT):
        folded = _folded(matched, scaled, direction)
        if folded:
            norms = [*folded.values()]
            follow = {m.a for m, c in changes if _follows(*_oriented(matched, m, direction), c, norms)}
            made = Change("recast", direction, UnitScales())
            return [(m, made if m.a in folded or m.a in follow else c) for m, c in changes]
    return changes


def _folded(matched: Match, scaled: Sequence[TensorMatch], direction: Direction) -> dict[str, _Folded]:
    """The norms that explain the scales of matrices, by the query's name of these; none if any are not explained."""
    whole = matched.b if direction == Direction.CHILD else matched.a
    norms = _norms(whole)
    places = {tensor.name: place for place, tensor in enumerate(whole.tensors)}
    found: dict[str, _Folded] = {}
    for held in scaled:
        telling = [one for one in _scales(matched, held, direction) if one.are_telling]
        if not telling:
            continue
        place = places[_oriented(matched, held, direction)[1].name]
        by_distance = sorted(norms, key=lambda norm: abs(norm.place - place))
        explained = next(_explaining(telling, by_distance), None)
        if explained is None:
            return {}
        found[held.a] = explained
    return found


def _oriented(matched: Match, held: TensorMatch, direction: Direction) -> tuple[TensorSketch, TensorSketch]:
    """The tensors of the folded side and of the whole one."""
    mine, theirs = matched.sides(held)
    return (mine, theirs) if direction == Direction.CHILD else (theirs, mine)


def _follows(folded: TensorSketch, whole: TensorSketch, change: Change, norms: Sequence[_Folded]) -> bool:
    """Whether a vector is a gain that was folded away, or the bias that folding makes of the other side's."""
    if change.kind != "tuned" or folded.params not in folded.shape or folded.shape != whole.shape:
        return False
    mine, theirs = (one.values.reshape(-1).astype(np.float64) for one in (folded, whole))
    if not mine.std():
        return any(whole.name == one.gain for one in norms)
    alike = (one for one in norms if one.norm.length == folded.params and one.factors.shape == mine.shape)
    return any(_is_bias(mine, theirs, one) for one in alike)


def _is_bias(mine: Float64Array, theirs: Float64Array, of: _Folded) -> bool:
    """Whether a bias is the other one, or none, less a mean, times the factors of a norm, with its offset."""
    left = [np.abs(mine - of.factors * bias - of.shifts).max(axis=1) for bias in (np.zeros(len(mine)), theirs)]
    return min(float(one.min()) for one in left) <= _CLOSE * float(np.abs(mine).max())


def _scales(matched: Match, held: TensorMatch, direction: Direction) -> list[_Scales]:
    """The scales of outputs and inputs of a matrix or kernel."""
    a, b = matched.sides(held)
    x, y = common_values(a, b, held.transposed)
    folded, whole = (x, y) if direction == Direction.CHILD else (y, x)  # both in the query's orientation
    facing = b.grid[::-1] if held.transposed else b.grid
    rows, columns = (np.intersect1d(mine, theirs) for mine, theirs in zip(a.grid, facing, strict=True))
    axes = (
        (a.shape[0], rows, row_factors(folded, whole)),
        (a.shape[1], columns // math.prod(a.shape[2:]), row_factors(folded.T, whole.T)),
    )
    return [_Scales(length, at, factors) for length, at, factors in axes if factors is not None]


def _explaining(telling: Sequence[_Scales], norms: Sequence[_Norm]) -> Iterator[_Folded]:
    for one, norm in product(telling, norms):
        if one.length != norm.length:
            continue
        is_sampled = np.isin(one.positions, norm.positions)  # not where a norm is stored as (1, n)
        at = np.searchsorted(norm.positions, one.positions[is_sampled])
        scales = one.factors[is_sampled]
        for gain, values in (*norm.vectors.items(), (None, np.ones(len(norm.positions)))):
            is_known = np.isfinite(scales) & (np.abs(values[at]) > _LEAST_GAIN * np.abs(values).max())
            known = scales[is_known]
            if len(known) < _FEWEST or not known.all():
                continue
            for factors in _multiplied(values, norm.variance, at[is_known], known):
                if (np.abs(factors[at[is_known]] / known - 1.0) <= _CLOSE).all():
                    yield _Folded.of(norm, factors, gain)


def _multiplied(
    gain: Float64Array, variance: Float64Array | None, at: NDArray[np.int64], factors: Float64Array
) -> Iterator[Float64Array]:
    """What a norm with that gain may multiply its channels by; a batch norm's epsilon is read off the `factors`."""
    if variance is None:
        yield gain
        yield 1.0 + gain  # gains that are stored as what they add to one
        return
    epsilon = float(np.median((gain[at] / factors) ** 2 - variance[at]))
    yield gain / np.sqrt(np.maximum(variance, 0.0) + min(max(epsilon, 1e-12), _MOST_EPSILON))


def _norms(sketch: CheckpointSketch) -> list[_Norm]:
    """The norms of a model: vectors that are called alike but for their last word."""
    called_alike: defaultdict[tuple[str, tuple[int, ...]], list[tuple[int, TensorSketch]]] = defaultdict(list)
    for place, tensor in enumerate(sketch.tensors):
        if tensor.part.excluded is None and tensor.params in tensor.shape:
            called_alike[_LAST_WORD.sub("", _COLLECTION.sub("", tensor.name)), tensor.shape].append((place, tensor))
    found = []
    for (_, shape), placed in called_alike.items():
        held = [tensor for _, tensor in placed]
        if all(t.part.role != "norm" for t in held):
            continue
        values = {t.name: t.values.reshape(-1).astype(np.float64) for t in held}
        variance = next((values.pop(t.name) for t in held if _VARIANCE.search(t.name)), None)
        rows, columns = held[0].grid
        positions = rows if shape[0] == held[0].params else columns
        found.append(_Norm(placed[0][0], held[0].params, positions, variance, values))
    return found
