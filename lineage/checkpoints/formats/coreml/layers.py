"""The layers of a Core ML neural network, the form before ML programs, by the names and axes of torch.

Format: `NeuralNetworkLayer` and the layers' messages in
https://github.com/apple/coremltools/blob/main/mlmodel/format/NeuralNetwork.proto. Convolutions are (out, in, height,
width), transposed ones (in, out, height, width), inner products and the matrices of products (out, in), embeddings
(width, vocabulary). Each gate of a recurrent layer is a matrix of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from lineage.checkpoints.formats.coreml.packed_weights import Values, read_values
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.wire.protobuf import BYTES, VARINT, Span, Wire
from lineage.types import TensorView

_LAYERS = 1
_CONVOLUTION, _TWO_WAY = 100, 430
_WEIGHT, _BIAS, _MEAN, _VARIANCE = "weight", "bias", "running_mean", "running_var"


@dataclass(frozen=True, slots=True)
class _Held:
    """Weights of one kind of layer: the field that holds them, torch's name, the fields that give the sides.

    `turned` matrices are stored transposed.
    """

    number: int
    leaf: str
    sides: tuple[int, ...]
    turned: bool = False


_KINDS: dict[int, tuple[_Held, ...]] = {
    140: (_Held(20, _WEIGHT, (2, 1)), _Held(21, _BIAS, (2,))),
    150: (_Held(20, _WEIGHT, (2, 1), turned=True), _Held(21, _BIAS, (2,))),
    160: (_Held(15, _WEIGHT, (1,)), _Held(16, _BIAS, (1,)), _Held(17, _MEAN, (1,)), _Held(18, _VARIANCE, (1,))),
    245: (_Held(2, _WEIGHT, (1,)), _Held(5, _BIAS, (4,))),
    250: (_Held(2, _BIAS, (1,)),),
    290: (_Held(2, "data", (1,)),),
    1040: (_Held(20, _WEIGHT, (2, 1), turned=True), _Held(21, _BIAS, (2,))),
    1045: (_Held(8, _WEIGHT, (6, 5)), _Held(9, _BIAS, (6,))),
    1070: (_Held(2, "data", (1,)),),
    1350: (_Held(3, _WEIGHT, (1,)), _Held(4, _BIAS, (1,))),
}
# Fields that are lists of numbers: shapes, the sides of a kernel.
_LISTS = {
    _CONVOLUTION: frozenset({20}), 245: frozenset({1, 4}), 250: frozenset({1}), 290: frozenset({1}),
    1070: frozenset({1}), 1350: frozenset({1}),
}  # fmt: skip
# The gates in the order of torch: input, forget, cell, output; reset, update, new.
_LSTM = (("weight_ih", (1, 2, 3, 4), (2, 1)), ("weight_hh", (20, 21, 22, 23), (2, 2)), ("bias", (40, 41, 42, 43), (2,)))
_GRU = (("weight_ih", (31, 30, 32), (2, 1)), ("weight_hh", (51, 50, 52), (2, 2)), ("bias", (71, 70, 72), (2,)))
_RECURRENT = {410: _GRU, 420: _LSTM, _TWO_WAY: _LSTM}
_WEIGHT_MESSAGE = 20  # of an LSTM: one a direction


@dataclass(slots=True)
class _Layer:
    """The fields of one layer's message, by number."""

    name: str
    numbers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    messages: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def shape(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(side for number in sides for side in self.numbers[number])


def layer_weights(wire: Wire, network: Span) -> Iterator[tuple[TensorView | None, str]]:
    """Go through the weights of a `NeuralNetwork`; None with a name for what is not read. Raises CheckpointError."""
    names = Names()
    for entry in wire.fields(network):
        if entry.number == _LAYERS and entry.kind == BYTES:
            kind, layer = _layer(wire, entry.span)
            for leaf, shape, spans, turned in _held(wire, kind, layer):
                name = names.distinct(f"{layer.name}.{leaf}")
                parts = [read_values(wire, span) for span in spans]
                if any(part is not None for part in parts):
                    values = Values.joined(parts)
                    yield values.view(name, shape, turned) if values is not None else None, name


_Weights = tuple[str, tuple[int, ...], list[Span], bool]


def _held(wire: Wire, kind: int, layer: _Layer) -> Iterator[_Weights]:
    """What a layer of that kind holds: torch's name, the shape as stored, the parts one above the other."""
    if kind == _CONVOLUTION:
        out, inner, groups = (next(iter(layer.numbers[number]), 1) for number in (1, 2, 10))
        channels = (inner, out // max(groups, 1)) if any(layer.numbers[60]) else (out, inner)
        yield _WEIGHT, (*channels, *layer.shape((20,))), layer.messages[90], False
        yield _BIAS, (out,), layer.messages[91], False
    for held in _KINDS.get(kind, ()):
        yield held.leaf, layer.shape(held.sides), layer.messages[held.number], held.turned
    if kind not in _RECURRENT:
        return
    directions = layer.messages[_WEIGHT_MESSAGE] if _RECURRENT[kind] is _LSTM else [None]
    for direction, message in enumerate(directions):
        gates = layer if message is None else _fields(wire, layer.name, message)
        for leaf, numbers, sides in _RECURRENT[kind]:
            one = layer.shape(sides)
            spans = [span for number in numbers for span in gates.messages[number]]
            if len(spans) == len(numbers):
                shape = (len(numbers) * one[0], *one[1:]) if one else ()
                yield f"{leaf}_l0{'_reverse' * direction}", shape, spans, False


def _layer(wire: Wire, message: Span) -> tuple[int, _Layer]:
    """The number of the layer's kind, which is the field that its message lies in."""
    name, kind, body = "layer", 0, Span(0, 0)
    for entry in wire.fields(message):
        if entry.number == 1 and entry.kind == BYTES:
            name = wire.text(entry.span)
        elif entry.kind == BYTES and (entry.number == _CONVOLUTION or entry.number in _KINDS | _RECURRENT):
            kind, body = entry.number, entry.span
    return kind, _fields(wire, name, body, _LISTS.get(kind, frozenset()))


def _fields(wire: Wire, name: str, message: Span, lists: frozenset[int] = frozenset()) -> _Layer:
    layer = _Layer(name)
    for entry in wire.fields(message):
        if entry.kind == VARINT:
            layer.numbers[entry.number].append(entry.value)
        elif entry.kind == BYTES:
            layer.messages[entry.number].append(entry.span)
            if entry.number in lists:
                layer.numbers[entry.number] += wire.integers(entry)
    return layer
