"""Layers whose neurons can be described: matrices with neurons on one axis and the residual stream on the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.types import Part, TensorView

MOST_LAYERS = 4  # of a component
MOST_HEADS = 4  # on a stream
MOST_NEURONS = 256  # of a layer
KINDS = ("gate", "up", "down")
_ATTENTION = ("q", "k", "v", "o", "qkv")
_BEFORE_ATTENTION = (
    "input_layernorm", "ln_1", "attention_norm", "attn_norm", "norm1", "layernorm_before", "layer_norm1",
    "self_attn_layer_norm", "operator_norm",
)  # fmt: skip
_BEFORE_MLP = (
    "post_attention_layernorm", "pre_feedforward_layernorm", "ln_2", "ffn_norm", "mlp_norm", "norm2", "layernorm_after",
    "layer_norm2", "final_layer_norm",
)  # fmt: skip
_BEFORE_HEAD = (
    "norm", "final_norm", "ln_f", "ln_final", "layernorm", "final_layernorm", "final_layer_norm", "post_layernorm",
    "output_norm",
)  # fmt: skip

Placed = tuple[TensorView, Part]


@dataclass(frozen=True, slots=True)
class Layer:
    """The matrices of one layer's MLP by kind, each kind in as many as there are experts, and the gain before them.

    `heads` are its attention's by role, with their own gain.
    """

    component: str
    number: int
    stream: str
    kinds: Sequence[Sequence[Placed]]
    gain: TensorView | None
    heads: Mapping[str, Placed]
    heads_gain: TensorView | None


@dataclass(frozen=True, slots=True)
class Head:
    """A head's matrix that reads a stream, with the gain of the norm at the end of that."""

    number: int
    stream: str
    placed: Placed
    gain: TensorView | None


def layers_with_neurons(placed: Sequence[Placed]) -> Iterator[Layer]:
    """For each tower the first such layer, the last and some between, in the order of their numbers."""
    towers: dict[tuple[str, str], dict[int, dict[str, list[Placed]]]] = defaultdict(lambda: defaultdict(dict))
    for view, part in placed:
        kind = kind_of(part)
        stream = next((axis.label for axis in part.axes if axis.label.endswith("/residual")), None)
        if kind in KINDS and stream is not None and part.layer is not None and len(view.shape) == 2:
            towers[stream, part.component][part.layer].setdefault(kind, []).append((view, part))
    for (stream, component), layers in sorted(towers.items()):
        whole = [number for number, kinds in sorted(layers.items()) if _is_whole(kinds)]
        places = sorted({*np.linspace(0, len(whole) - 1, MOST_LAYERS).round().astype(int).tolist()}) if whole else []
        for number in (whole[place] for place in places):
            kinds = [layers[number][kind] for kind in KINDS if kind in layers[number]]
            gains = [_gain(placed, stream, number, names) for names in (_BEFORE_MLP, _BEFORE_ATTENTION)]
            yield Layer(component, number, stream, kinds, gains[0], _heads(placed, stream, number), gains[1])


def heads_on_streams(placed: Sequence[Placed]) -> Iterator[Head]:
    """The matrices of heads that read a stream, in an order that does not depend on the file."""
    found: dict[str, list[Placed]] = defaultdict(list)
    for view, part in placed:
        stream = next((axis.label for axis in part.axes if axis.label.endswith("/residual")), None)
        if part.component == "head" and part.layer is None and stream is not None and len(view.shape) == 2:
            found[stream].append((view, part))
    for stream, heads in sorted(found.items()):
        gain = _gain(placed, stream, None, _BEFORE_HEAD)
        heads.sort(key=lambda one: (one[1].role, one[0].shape, one[0].name))
        for number, one in enumerate(heads[:MOST_HEADS]):
            yield Head(number, stream, one, gain)


def kind_of(part: Part) -> str:
    """The role of a matrix in an MLP; experts have the same roles as a dense MLP."""
    return part.role.removeprefix("expert-")


def labels(part: Part) -> set[str]:
    """The labels of a tensor's axes."""
    return {axis.label for axis in part.axes}


def _is_whole(kinds: Mapping[str, Sequence[Placed]]) -> bool:
    """Whether a layer has up and down matrices, and equally many matrices of each kind."""
    return {"up", "down"} <= kinds.keys() and len({len(of_kind) for of_kind in kinds.values()}) == 1


def _heads(placed: Sequence[Placed], stream: str, layer: int) -> dict[str, Placed]:
    """The matrices of a layer's attention by role."""
    of_layer = [(view, part) for view, part in placed if part.layer == layer and stream in labels(part)]
    return {part.role: (view, part) for view, part in of_layer if part.role in _ATTENTION and len(view.shape) == 2}


def _gain(placed: Sequence[Placed], stream: str, layer: int | None, names: Sequence[str]) -> TensorView | None:
    """The gain of the norm with one of these names in a layer, which conversions may fold into the next matrices."""
    for view, part in placed:
        if part.role == "norm" and part.layer == layer and part.axes[0].label == stream and len(view.shape) == 1:
            module, _, leaf = view.name.rpartition(".")
            if leaf in ("weight", "gamma", "scale") and module.rpartition(".")[2] in names:
                return view
    return None
