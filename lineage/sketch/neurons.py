"""Neurons described by their action on the tokens: codes that do not change if units are permuted, rotated or rescaled.

The residual stream has no preferred basis: a rotation by R (E R, W R, R' V, gains folded in) gives the same function
with other numbers. The token table rotates with it, so that signed sums of its rows are anchors Q (D, 32) that rotate
too (`lineage.sketch.anchors`), while the product of a matrix with them, W diag(g) Q, does not change. A row of this
product is a neuron's code. Another order of neurons is another order of codes, and a scale moved from one matrix to
another disappears when codes are normalised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lineage.anatomy.fused_attention import head_count
from lineage.sketch.anchors import anchors, band_spans
from lineage.sketch.family import ANCHORS
from lineage.sketch.head_sizes import inferred_heads, shared_with
from lineage.sketch.neuron_codes import kept, quantised
from lineage.sketch.neuron_layers import (
    KINDS,
    MOST_LAYERS,
    MOST_NEURONS,
    Head,
    Layer,
    Placed,
    heads_on_streams,
    kind_of,
    layers_with_neurons,
)
from lineage.sketch.widening import widened
from lineage.types import Float32Array, Neurons, Part, TensorView, Vocabulary
from lineage.types.sketch import AnchorKey

__all__ = ["KINDS", "MOST_LAYERS", "MOST_NEURONS", "neurons_of"]

LEAST_NEURONS = 64
MOST_ROWS = 1 << 16  # of a head, from which those that are kept are chosen
_AT_ONCE = 1 << 19  # values that are multiplied at once: fit a cache as float32

Bases = Mapping[AnchorKey, Float32Array]


def neurons_of(
    placed: Sequence[Placed],
    threads: int = 1,
    config: Mapping[str, Any] | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[Neurons, ...]:
    """The neurons of up to `MOST_LAYERS` layers of each tower whose stream begins at a table, and rows of its heads.

    Once by rows of the table and, with a `vocabulary`, once by its tokens. Reads these layers' matrices whole, in
    bands, and a part of the table. Layers without numbers, of fewer than `LEAST_NEURONS` neurons or with values that
    are not numbers are skipped. Raises CheckpointError.
    """
    layers = list(layers_with_neurons(placed))
    streams = dict.fromkeys(layer.stream for layer in layers)
    read_out = [head for head in heads_on_streams(placed) if head.stream in streams]
    bases = {stream: anchors(placed, stream, vocabulary) for stream in streams}
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(max_workers=threads) as pool:
        read = [one for one in pool.map(lambda layer: _read(layer, bases[layer.stream]), layers) if one is not None]
        heads = {
            stream: _heads([one for one in read if one.layer.stream == stream], config or {}) for stream in streams
        }
        made = [list(_coded(one, bases[one.layer.stream], heads[one.layer.stream])) for one in read]
        made += pool.map(lambda head: list(_of_head(head, bases[head.stream])), read_out)
    found = [one for of_layer in made for one in of_layer]
    return tuple(sorted(found, key=lambda one: one.keyed))


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A layer along the anchors of all keys: its MLP by kind, (kinds, n, anchors), its attention by role."""

    layer: Layer
    kinds: Float32Array
    attention: Mapping[str, Float32Array]


def _read(layer: Layer, bases: Bases) -> _Read | None:
    """A layer, every matrix of it read once; None if it has too few neurons, or values that are not numbers."""
    if not bases:
        return None
    basis = np.concatenate([*bases.values()], axis=1)
    behind = _gained(layer.gain, basis)
    codes = []
    for of_kind in layer.kinds:
        turned = basis if kind_of(of_kind[0][1]) == "down" else behind
        codes.append(np.concatenate([_products(*one, layer.stream, turned) for one in of_kind]))
    if len({len(one) for one in codes}) > 1 or len(codes[0]) < LEAST_NEURONS:
        return None
    stacked = np.stack(codes)
    return _Read(layer, stacked, _attention_products(layer, basis)) if np.isfinite(stacked).all() else None


def _heads(read: Sequence[_Read], config: Mapping[str, Any]) -> int | None:
    """How many heads of queries the layers on a stream have, as the config says or else as their weights show."""
    return head_count(config) or inferred_heads([one.attention for one in read])


def _coded(read: _Read, bases: Bases, heads: int | None) -> Iterator[Neurons]:
    """The neurons of a layer by each key."""
    attention = _sides(read.attention, heads)
    for place, key in enumerate(bases):
        own = slice(place * ANCHORS, (place + 1) * ANCHORS)
        rounded, scale = quantised(read.kinds[:, :, own])
        chosen = kept(rounded[0])
        of_key = None if attention is None else _attention([(a[:, own], b[:, own]) for a, b in attention])
        yield Neurons(
            component=read.layer.component,
            layer=read.layer.number,
            index=chosen,
            codes=np.ascontiguousarray(rounded[:, chosen]),
            attention=of_key,
            scale=np.ascontiguousarray(scale[:, chosen]),
            keyed=key,
        )


def _of_head(head: Head, bases: Bases) -> Iterator[Neurons]:
    """Rows of a head by each key: its outputs for the anchors."""
    for key, basis in bases.items():
        codes = _products(*head.placed, head.stream, _gained(head.gain, basis), MOST_ROWS)
        if np.isfinite(codes).all():
            rounded, scale = quantised(codes[None])
            chosen = kept(rounded[0])
            yield Neurons(
                component=head.placed[1].component,
                layer=head.number,
                index=chosen,
                codes=np.ascontiguousarray(rounded[:, chosen]),
                scale=np.ascontiguousarray(scale[:, chosen]),
                keyed=key,
            )


def _gained(gain: TensorView | None, basis: Float32Array) -> Float32Array:
    return basis if gain is None else basis * widened(gain.rows(0, gain.shape[0]))[:, None]


def _products(view: TensorView, part: Part, stream: str, basis: Float32Array, most: int | None = None) -> Float32Array:
    """The products of every neuron of a matrix, or the first `most`, with the anchors, (neurons, anchors)."""
    if part.axes[1].label == stream:
        count = view.shape[0] if most is None else min(most, view.shape[0])
        made = np.empty((count, basis.shape[1]), np.float32)
        # Bands of about one length, since products of a few rows are added in another order.
        step = -(-count // -(-count * view.shape[1] // _AT_ONCE))
        for start in range(0, count, step):
            rows = widened(view.rows(start, min(count, start + step)))
            np.matmul(rows, basis, out=made[start : start + step])
        return made
    total = np.zeros((view.shape[1], basis.shape[1]), np.float32)[:most]
    for start, stop in band_spans(view, view.shape[0]):
        rows, own = view.rows(start, stop), basis[start:stop]
        step = max(1, _AT_ONCE // len(rows))
        for first in range(0, len(total), step):
            some = total[first : first + step]
            some += widened(rows[:, first : first + len(some)]).T @ own
    return total


def _attention_products(layer: Layer, basis: Float32Array) -> Mapping[str, Float32Array]:
    """What the matrices of a layer's attention do to the anchors by role, (units, anchors)."""
    behind = _gained(layer.heads_gain, basis)
    made = {role: _products(*one, layer.stream, basis if role == "o" else behind) for role, one in layer.heads.items()}
    if "qkv" in made:
        made["q"], made["k"], made["v"] = np.array_split(made.pop("qkv"), 3)
    return made


def _sides(made: Mapping[str, Float32Array], heads: int | None) -> list[tuple[Float32Array, Float32Array]] | None:
    """Outputs and values, queries and keys, each (units, anchors), unit facing unit.

    Where queries share their keys and values each group has its own again. None where a layer has no such matrices, or
    has groups and an unknown number of heads.
    """
    if not {"q", "k", "v", "o"} <= made.keys():
        return None
    q, k, v, o = (made[role] for role in "qkvo")
    if len(k) != len(q):
        k, v = (_shared(rows, len(q), heads) for rows in (k, v))
    return [(o, v), (q, k)] if o.shape == v.shape and q.shape == k.shape else None


def _shared(rows: Float32Array, units: int, heads: int | None) -> Float32Array:
    """Keys or values once for each of the query heads that share them, (units, anchors); unchanged if unknown."""
    if heads is None or units % heads or len(rows) % (units // heads) or units % len(rows):
        return rows
    return rows[shared_with(units, len(rows), units // heads)]


def _attention(sides: Sequence[tuple[Float32Array, Float32Array]]) -> NDArray[np.float32] | None:
    """From anchor to anchor through all heads, (2, ANCHORS, ANCHORS) of norm 1: Q' O V Q and Q' Wq' Wk Q.

    No order of heads alters these, nor what is done to the values of a head and undone behind it.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is found and left out
        found = np.stack([left.T @ right for left, right in sides])
        norms = np.linalg.norm(found, axis=(1, 2), keepdims=True)
    if not np.isfinite(norms).all() or (norms == 0).any():
        return None
    return np.asarray(found / norms, np.float32)
