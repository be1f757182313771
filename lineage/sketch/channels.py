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

from lineage.sketch.channel_paths import Step, channel_paths, sides
from lineage.sketch.family import ANCHORS
from lineage.sketch.neuron_codes import kept, quantised
from lineage.sketch.neuron_layers import Placed
from lineage.sketch.signs import sign_bits, signs
from lineage.types import Float32Array, Float64Array, Neurons, Part, TensorView

_SEED = 4
_BALANCINGS = 8
_EMPTY = 1e-12  # of the mean square of rows or columns: those below are rounding alone
_EVEN_CODES = 0.1  # of the mean eigenvalue, added to each before codes are made even
_EVEN_DESCRIPTORS = 1.0  # the same for descriptors: small directions are mostly what training changed
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
        if not (np.isfinite(kernels).all() and kernels.any()):
            return
        features, weights = _features(kernels, None if step.source is None else made[step.source])
        places = np.arange(features.shape[1], dtype=np.int64)
        if step.is_described:
            yield _neurons(component, number, features, places, weights)
        mixed = features @ signs(places, _SEED, ANCHORS).astype(np.float32)
        made.append((_even(mixed, weights, _EVEN_DESCRIPTORS), _lengths(kernels, (1, 2))))


def _kernels(view: TensorView, part: Part) -> Float32Array:
    """The weights of a layer, (channels made, channels read, places of the kernel)."""
    out, _ = sides(view.name, view.shape, part)
    values = view.rows(0, view.shape[0]).astype(np.float32)
    made = np.moveaxis(values, out, 0)
    return np.ascontiguousarray(made.reshape(*made.shape[:2], -1))


def _features(
    kernels: Float32Array, source: tuple[Float32Array, Float64Array] | None
) -> tuple[Float32Array, Float64Array]:
    """What each channel does to the inputs, (channels, places * anchors), less the mean; the weight of each channel."""
    rows, columns = _balance(kernels)
    if source is None:
        count = kernels.shape[1]
        basis = np.eye(count, dtype=np.float32) if count <= ANCHORS else _signs_of_inputs(count)
    else:
        basis, sizes = source
        basis = basis * _shares(sizes * _lengths(kernels, (0, 2)))[:, None].astype(np.float32)
    made = np.einsum("ock,ca->oka", kernels * columns[None, :, None], basis, optimize=True).reshape(len(kernels), -1)
    weights = _shares(_lengths(kernels, (1, 2)))
    unit = _unit(made * rows[:, None])
    mean = weights @ unit / max(float(weights.sum()), 1e-30)
    return np.asarray(unit - mean, np.float32), weights


def _neurons(
    component: str, number: int, features: Float32Array, places: NDArray[np.int64], weights: Float64Array
) -> Neurons:
    """The codes of a layer: of one half of the features to pair channels by, of the other half to test the pairs."""
    is_first = sign_bits(places, _SEED + 1, 1)[:, 0]
    mixing = signs(places, _SEED + 2, _KINDS * ANCHORS).astype(np.float32)
    halves = zip((is_first, ~is_first), np.split(mixing, _KINDS, axis=1), strict=True)
    codes = [_even(features[:, half] @ own[half], weights, _EVEN_CODES) for half, own in halves]
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


def _balance(kernels: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Factors of the rows and of the columns of a layer that make all of them about equally long; 0 for empty ones."""
    squares = np.square(kernels, dtype=np.float64).sum(axis=2)
    rows, columns = np.ones(len(squares)), np.ones(squares.shape[1])
    for _ in range(_BALANCINGS):
        rows = _inverse(squares @ columns)
        columns = _inverse(rows @ squares)
    return np.sqrt(rows).astype(np.float32), np.sqrt(columns).astype(np.float32)


def _inverse(sums: Float64Array) -> Float64Array:
    is_used = sums > _EMPTY * float(sums.mean())
    return np.asarray(np.where(is_used, sums.mean() / np.where(is_used, sums, 1.0), 0.0))


def _lengths(kernels: Float32Array, axes: tuple[int, int]) -> Float64Array:
    return np.asarray(np.sqrt(np.square(kernels, dtype=np.float64).sum(axis=axes)))


def _shares(sizes: Float64Array) -> Float64Array:
    """How much channels count: those of less than the median size by as much less."""
    median = float(np.median(sizes))
    return np.asarray(np.minimum(1.0, sizes / median) if median > 0 else np.ones(len(sizes)))


def _even(codes: Float32Array, weights: Float64Array, ridge: float) -> Float32Array:
    """Directions of codes turned and stretched so that they lie evenly about 0, and have no directions in common."""
    share = (weights / max(float(weights.sum()), 1e-30))[:, None]
    unit = _centred(_unit(codes.astype(np.float64)), share)
    values, vectors = np.linalg.eigh(unit.T @ (unit * share))
    values = np.maximum(values, 0.0) + max(ridge * float(values.mean()), 1e-30)
    return _centred(_unit(unit @ (vectors / np.sqrt(values)) @ vectors.T), share).astype(np.float32)


def _centred(unit: Float64Array, share: Float64Array) -> Float64Array:
    return _unit(unit - (share * unit).sum(axis=0))


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _signs_of_inputs(count: int) -> Float32Array:
    return signs(np.arange(count, dtype=np.int64), _SEED + 3, ANCHORS).astype(np.float32)
