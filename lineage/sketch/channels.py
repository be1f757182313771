"""Channels of networks without attention, described by what they do to the inputs: codes without an order of channels.

Inputs have an order that no one can change: colours, the places of a kernel, features. What a channel of the first
layer does to them, its kernel, is a descriptor of it; the kernel of a channel of the next layer, along the descriptors
of the channels that it reads, is one of that; and so on. Another order of the channels of a layer is another order of
its descriptors, and of the columns that read them, and leaves everything behind it as it was.

A scale may be moved from one layer to the next, or into a norm. The matrices are therefore balanced first: their rows
and columns are scaled until all are equally long (Sinkhorn and Knopp 1967), which makes them the same whatever scales
they had. Channels that hardly do anything are mostly rounding and count less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.channel_norms import Norm
from lineage.sketch.channel_paths import Step, channel_paths, sides
from lineage.sketch.family import ANCHORS
from lineage.sketch.neuron_codes import kept, quantised
from lineage.sketch.neuron_layers import Placed
from lineage.sketch.signs import sign_bits, signs
from lineage.sketch.widening import widened
from lineage.types import Float32Array, Float64Array, Neurons, Part, TensorView

_SEED = 4
_BALANCINGS = 20
_EMPTY = 1e-12  # of the mean square of rows or columns: those below are rounding alone
_EVEN_CODES = 0.1  # of the mean eigenvalue, added to each before codes are made even
_EVEN_DESCRIPTORS = 1.0  # the same for descriptors: small directions are mostly what training changed
_EPSILON = 1e-5  # that norms add to a variance
_TINY = 1e-30
_KINDS = 2


def channels_of(placed: Sequence[Placed]) -> tuple[Neurons, ...]:
    """The channels of up to four layers of each network without a residual stream.

    Reads their matrices and those of the layers before them whole. Of a network no more is described
    from a layer on that holds values that are not numbers, or nothing but zeros. Raises CheckpointError.
    """
    paths = channel_paths([(view.name, view.shape, part) for view, part in placed])
    return tuple(one for name, path in paths.items() for one in _described(name, path, placed))


def _described(component: str, path: Sequence[Step], placed: Sequence[Placed]) -> Iterator[Neurons]:
    made: list[tuple[Float32Array, Float64Array]] = []  # descriptors and sizes of the channels of each layer
    for number, step in enumerate(path):
        kernels = _kernels(*placed[step.place])
        squares = np.einsum("ock,ock->oc", kernels, kernels)
        if not (np.isfinite(squares).all() and squares.any()):
            return
        rows, columns = _balance(squares)
        basis = _inputs(kernels.shape[1]) if step.source is None else _read(*made[step.source], columns)
        features = _features(kernels, columns[:, None] * basis)
        places = np.arange(features.shape[1], dtype=np.int64)
        if step.is_described:
            yield _neurons(component, number, features, places)
        mixed = features @ signs(places, _SEED, ANCHORS).astype(np.float32)
        # A row is as long as its factor is short, whatever scales the columns have, and a column likewise.
        made.append((_even(mixed, _EVEN_DESCRIPTORS), _inverse(rows) * _factors(step.norm, placed)))


def _kernels(view: TensorView, part: Part) -> Float32Array:
    """The weights of a layer, (channels made, channels read, places of the kernel)."""
    out, _ = sides(view.name, view.shape, part)
    values = widened(view.rows(0, view.shape[0]))
    made = np.moveaxis(values, out, 0)
    return np.ascontiguousarray(made.reshape(*made.shape[:2], -1))


def _inputs(count: int) -> Float32Array:
    """Descriptors of the inputs themselves, (inputs, anchors): an anchor each, or random signs where they are many."""
    if count <= ANCHORS:
        return np.eye(count, dtype=np.float32)
    return signs(np.arange(count, dtype=np.int64), _SEED + 3, ANCHORS).astype(np.float32)


def _read(descriptors: Float32Array, sizes: Float64Array, columns: Float32Array) -> Float32Array:
    """Descriptors of the channels that a layer reads, (channels, anchors), those that do little made short."""
    return descriptors * _shares(sizes * _inverse(columns))[:, None].astype(np.float32)


def _features(kernels: Float32Array, basis: Float32Array) -> Float32Array:
    """What each channel does to the inputs, (channels, places * anchors), as a direction less the mean of all."""
    unit = _unit(np.matmul(kernels.transpose(0, 2, 1), basis).reshape(len(kernels), -1))
    return np.asarray(unit - unit.mean(axis=0), np.float32)


def _factors(norm: Norm | None, placed: Sequence[Placed]) -> Float64Array | float:
    """By how much the norm behind a layer multiplies each of its channels."""
    if norm is None:
        return 1.0
    gain, variance = (
        None if place is None else placed[place][0].rows(0, placed[place][0].shape[0]).astype(np.float64)
        for place in (norm.gain, norm.variance)
    )
    factors = 1.0 if gain is None else np.abs(gain)
    return factors if variance is None else factors / np.sqrt(np.maximum(variance, 0.0) + _EPSILON)


def _neurons(component: str, number: int, features: Float32Array, places: NDArray[np.int64]) -> Neurons:
    """The codes of a layer: of one half of the features to pair channels by, of the other half to test the pairs."""
    is_first = sign_bits(places, _SEED + 1, 1)[:, 0]
    mixing = signs(places, _SEED + 2, _KINDS * ANCHORS).astype(np.float32)
    halves = zip((is_first, ~is_first), np.split(mixing, _KINDS, axis=1), strict=True)
    codes = [_even(features[:, half] @ own[half], _EVEN_CODES) for half, own in halves]
    rounded, scale = quantised(np.stack(codes))
    chosen = kept(rounded[0])
    return Neurons(
        component=component,
        layer=number,
        index=chosen,
        codes=np.ascontiguousarray(rounded[:, chosen]),
        scale=np.ascontiguousarray(scale[:, chosen]),
        keyed="input",
    )


def _balance(squares: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Factors that make all rows and columns about equally long, by the sums of their squares; 0 for empty ones."""
    squares = squares.astype(np.float64)
    rows, columns = np.ones(len(squares)), np.ones(squares.shape[1])
    for _ in range(_BALANCINGS):
        rows = _inverse(squares @ columns)
        columns = _inverse(rows @ squares)
    return np.sqrt(rows).astype(np.float32), np.sqrt(columns).astype(np.float32)


def _inverse(sums: NDArray[np.floating[Any]]) -> Float64Array:
    is_used = sums > _EMPTY * float(sums.mean())
    return np.asarray(np.where(is_used, sums.mean() / np.where(is_used, sums, 1.0), 0.0))


def _shares(sizes: Float64Array) -> Float64Array:
    """How much channels count: those of less than the median size by as much less."""
    median = float(np.median(sizes))
    return np.asarray(np.minimum(1.0, sizes / median) if median > 0 else np.ones(len(sizes)))


def _even(codes: Float32Array, ridge: float) -> Float32Array:
    """Directions of codes turned and stretched so that they lie evenly about 0, and have no directions in common."""
    unit = _centred(_unit(codes.astype(np.float64)))
    values, vectors = np.linalg.eigh(unit.T @ unit)
    values = np.maximum(values, 0.0) + max(ridge * float(values.mean()), _TINY)
    return _centred(_unit(unit @ (vectors / np.sqrt(values)) @ vectors.T)).astype(np.float32)


def _centred(unit: Float64Array) -> Float64Array:
    return _unit(unit - unit.mean(axis=0))


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
