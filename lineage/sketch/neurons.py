"""Neurons by what they do to the tokens: codes that stay when units are permuted, rotated or rescaled.

The residual stream has no basis of its own: whoever turns it by R (E R, W R, R' V, gains folded in) has the same
function in other numbers. The table of tokens turns with it, so that 32 signed sums of its rows are anchors Q (D, 32)
that turn too, and what a matrix does to them, W diag(g) Q, does not. A row of that product is a neuron's code; another
order of neurons is another order of codes, and a scale that one matrix lost to another is gone once codes are
normalised. Anchors are made orthonormal among themselves (Q (Q' Q)^-1/2), which takes out what all tables of tokens
have in common.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lineage.sketch.family import ANCHORS
from lineage.sketch.signs import signs
from lineage.types import Part, TensorView
from lineage.types.neurons import Neurons

MOST_NEURONS = 256  # of a layer
MOST_LAYERS = 4  # of a component
LEAST_NEURONS = 64
_TOKENS = 8192  # of a table: those after these come and go with the vocabulary
_ENOUGH = 4 * ANCHORS  # rows of tables
_LEAST_RANK = 8
_FLAT = 1e-6  # of the largest eigenvalue: a dimension that only rounding fills
_SEED = 3
_BAND = 1 << 22  # values read at a time
KINDS = ("gate", "up", "down")
_ATTENTION = ("q", "k", "v", "o", "qkv")
_TABLES = ("tokens", "patch", "positions")
_BEFORE_ATTENTION = (
    "input_layernorm", "ln_1", "attention_norm", "attn_norm", "norm1", "layernorm_before", "layer_norm1",
    "self_attn_layer_norm", "operator_norm",
)  # fmt: skip
_BEFORE_MLP = (
    "post_attention_layernorm", "pre_feedforward_layernorm", "ln_2", "ffn_norm", "mlp_norm", "norm2", "layernorm_after",
    "layer_norm2", "final_layer_norm",
)  # fmt: skip

Floats = NDArray[np.float32]
_Placed = tuple[TensorView, Part]


@dataclass(frozen=True, slots=True)
class _Layer:
    """The matrices of one layer's MLP by kind, each kind in as many as there are experts, and the gain before them.

    `heads` are its attention's by role, with their own gain.
    """

    component: str
    number: int
    stream: str
    kinds: Sequence[Sequence[_Placed]]
    gain: TensorView | None
    heads: Mapping[str, _Placed]
    heads_gain: TensorView | None


def neurons_of(placed: Sequence[tuple[TensorView, Part]], threads: int = 1) -> tuple[Neurons, ...]:
    """The neurons of up to `MOST_LAYERS` layers of each tower whose residual stream begins at a table.

    Reads these layers' matrices whole, in bands, and a part of the table. Layers without numbers, of fewer than
    `LEAST_NEURONS` neurons or with values that are no numbers are passed over. Raises CheckpointError.
    """
    layers = list(_chosen(placed))
    anchors = {stream: _anchors(placed, stream) for stream in dict.fromkeys(layer.stream for layer in layers)}
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(max_workers=threads) as pool:
        made = pool.map(lambda layer: _coded(layer, anchors[layer.stream]), layers)
        return tuple(one for one in made if one is not None)


def _chosen(placed: Sequence[_Placed]) -> Iterator[_Layer]:
    """Of each tower the first layers, the last and those between, in the order of their numbers."""
    towers: dict[tuple[str, str], dict[int, dict[str, list[_Placed]]]] = defaultdict(lambda: defaultdict(dict))
    for view, part in placed:
        kind = part.role.removeprefix("expert-")
        stream = next((axis.label for axis in part.axes if axis.label.endswith("/residual")), None)
        if kind in KINDS and stream is not None and part.layer is not None and len(view.shape) == 2:
            towers[stream, part.component][part.layer].setdefault(kind, []).append((view, part))
    for (stream, component), layers in sorted(towers.items()):
        whole = [number for number, kinds in sorted(layers.items()) if _is_whole(kinds)]
        places = np.unique(np.linspace(0, len(whole) - 1, MOST_LAYERS).round().astype(int)) if whole else ()
        for number in (whole[place] for place in places):
            kinds = [layers[number][kind] for kind in KINDS if kind in layers[number]]
            gains = [_gain(placed, stream, number, names) for names in (_BEFORE_MLP, _BEFORE_ATTENTION)]
            yield _Layer(component, number, stream, kinds, gains[0], _heads(placed, stream, number), gains[1])


def _is_whole(kinds: Mapping[str, Sequence[_Placed]]) -> bool:
    """Whether a layer has matrices of two kinds or more, as many of each."""
    return {"up", "down"} <= kinds.keys() and len({len(of_kind) for of_kind in kinds.values()}) == 1


def _heads(placed: Sequence[_Placed], stream: str, layer: int) -> dict[str, _Placed]:
    """The matrices of a layer's attention by role."""
    of_layer = [(view, part) for view, part in placed if part.layer == layer and stream in _labels(part)]
    return {part.role: (view, part) for view, part in of_layer if part.role in _ATTENTION and len(view.shape) == 2}


def _gain(placed: Sequence[_Placed], stream: str, layer: int, names: Sequence[str]) -> TensorView | None:
    """The gain of the norm of one of these names in a layer, which may have been folded into what reads behind it."""
    for view, part in placed:
        if part.role == "norm" and part.layer == layer and part.axes[0].label == stream and len(view.shape) == 1:
            module, _, leaf = view.name.rpartition(".")
            if leaf in ("weight", "gamma", "scale") and module.rpartition(".")[2] in names:
                return view
    return None


def _anchors(placed: Sequence[_Placed], stream: str) -> Floats | None:
    """Orthonormal sums of the rows of the tables at which a stream begins, with signs by row: (D, ANCHORS).

    One large table is enough; small ones, such as the patches and positions of a little image model, go together.
    """
    sums: Floats | None = None
    rows = 0
    tables = [(view, part) for view, part in placed if len(view.shape) > 1 and stream in _labels(part)]
    for label in _TABLES:
        for view, part in [(view, part) for view, part in tables if label in _labels(part)]:
            if rows < _ENOUGH:
                made, count = _signed_sums(view, part, stream, rows)
                sums, rows = (made if sums is None else sums + made), rows + count
    return None if sums is None else _orthonormal(sums)


def _labels(part: Part) -> set[str]:
    return {axis.label for axis in part.axes}


def _signed_sums(view: TensorView, part: Part, stream: str, first: int) -> tuple[Floats, int]:
    """Sums of a table's rows less their mean, (D, ANCHORS), and their number; signs are counted on from `first`."""
    if part.axes[1].label == stream:
        count = min(view.shape[0], _TOKENS)
        weights = signs(np.arange(first, first + count, dtype=np.int64), _SEED, ANCHORS).astype(np.float32)
        total, mean = np.zeros((view.shape[1], ANCHORS), np.float32), np.zeros(view.shape[1], np.float32)
        for start, rows in _bands(view, count):
            total += rows.T @ weights[start : start + len(rows)]
            mean += rows.sum(axis=0)
        return total - np.outer(mean / count, weights.sum(axis=0)), count
    count = min(math.prod(view.shape[1:]), _TOKENS)
    weights = signs(np.arange(first, first + count, dtype=np.int64), _SEED, ANCHORS).astype(np.float32)
    blocks = [(rows[:, :count] - rows[:, :count].mean(axis=1, keepdims=True)) @ weights for _, rows in _bands(view)]
    return np.concatenate(blocks), count


def _orthonormal(sums: Floats) -> Floats | None:
    """The same with orthonormal columns, turned as little as can be (Löwdin 1950), in the dimensions that they span.

    None where these are fewer than `_LEAST_RANK`.
    """
    if not np.isfinite(sums).all():
        return None
    wide = sums.astype(np.float64)
    values, vectors = np.linalg.eigh(wide.T @ wide)
    spanned = values > _FLAT * values[-1]
    if spanned.sum() < _LEAST_RANK:
        return None
    return np.asarray(wide @ (vectors[:, spanned] / np.sqrt(values[spanned])) @ vectors[:, spanned].T, np.float32)


def _coded(layer: _Layer, basis: Floats | None) -> Neurons | None:
    if basis is None:
        return None
    behind = _gained(layer.gain, basis)
    codes = []
    for of_kind in layer.kinds:
        turned = basis if of_kind[0][1].role.removeprefix("expert-") == "down" else behind
        codes.append(np.concatenate([_products(view, part, layer.stream, turned) for view, part in of_kind]))
    if len({len(one) for one in codes}) > 1 or len(codes[0]) < LEAST_NEURONS:
        return None
    stacked = np.stack(codes)
    if not np.isfinite(stacked).all():
        return None
    quantised = _quantised(stacked)
    kept = _kept(quantised[0])
    attention = _attention(layer, basis)
    return Neurons(layer.component, layer.number, kept, np.ascontiguousarray(quantised[:, kept]), attention)


def _gained(gain: TensorView | None, basis: Floats) -> Floats:
    return basis if gain is None else basis * gain.rows(0, gain.shape[0]).astype(np.float32)[:, None]


def _attention(layer: _Layer, basis: Floats) -> NDArray[np.float32] | None:
    """From anchor to anchor through all heads, (2, ANCHORS, ANCHORS) of norm 1: Q' O V Q and Q' Wq' Wk Q.

    No order of heads alters these, nor what is done to the values of a head and undone behind it. Where queries share
    their keys and values (fewer of these than of queries), each stands for itself: Q' V' V Q and Q' Wk' Wk Q.
    """
    behind = _gained(layer.heads_gain, basis)
    made = {
        role: _products(view, part, layer.stream, basis if role == "o" else behind)
        for role, (view, part) in layer.heads.items()
    }
    if "qkv" in made:
        made["q"], made["k"], made["v"] = np.array_split(made.pop("qkv"), 3)
    if not {"q", "k", "v", "o"} <= made.keys():
        return None
    sides = [("o", "v"), ("q", "k")] if len(made["q"]) == len(made["k"]) == len(made["v"]) else [("v", "v"), ("k", "k")]
    if any(made[left].shape != made[right].shape for left, right in sides):
        return None
    found = np.stack([made[left].T @ made[right] for left, right in sides])
    norms = np.linalg.norm(found, axis=(1, 2), keepdims=True)
    if not np.isfinite(found).all() or (norms == 0).any():
        return None
    return np.asarray(found / norms, np.float32)


def _products(view: TensorView, part: Part, stream: str, basis: Floats) -> Floats:
    """What every neuron of a matrix does to the anchors, (neurons, ANCHORS)."""
    if part.axes[1].label == stream:
        return np.concatenate([rows @ basis for _, rows in _bands(view)])
    total = np.zeros((view.shape[1], ANCHORS), np.float32)
    for start, rows in _bands(view):
        total += rows.T @ basis[start : start + len(rows)]
    return total


def _bands(view: TensorView, count: int | None = None) -> Iterator[tuple[int, Floats]]:
    """The first rows of a view as float32 (rows, rest), band after band."""
    total = view.shape[0] if count is None else count
    step = max(1, _BAND // max(1, math.prod(view.shape[1:])))
    for start in range(0, total, step):
        rows = view.rows(start, min(total, start + step))
        yield start, rows.astype(np.float32, copy=False).reshape(len(rows), -1)


def _quantised(codes: Floats) -> NDArray[np.int8]:
    """Directions in 8 bits, the largest number of each 127."""
    largest = np.abs(codes).max(axis=-1, keepdims=True)
    return np.rint(codes * (127.0 / np.where(largest > 0, largest, 1.0))).astype(np.int8)


def _kept(codes: NDArray[np.int8]) -> NDArray[np.int64]:
    """The neurons that are chosen by their own codes, so that they are in any order: those along few anchors."""
    spread = np.abs(codes.astype(np.int64)).sum(axis=1)
    return np.sort(np.argsort(spread, kind="stable")[:MOST_NEURONS]).astype(np.int64)
