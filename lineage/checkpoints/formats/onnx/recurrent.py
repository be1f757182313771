"""Recurrent layers of an ONNX graph, brought to the names, the split and the gate order of torch.

ONNX keeps the gates of an LSTM as input, output, forget, cell and of a GRU as update, reset, new; torch as input,
forget, cell, output and reset, update, new. ONNX stacks directions and both biases into one tensor.
Sources: https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html; torch.nn.LSTM, torch.nn.GRU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from lineage.checkpoints.decode.rearranged import blocks_in_order
from lineage.checkpoints.formats.onnx.graph import Graph, Node
from lineage.checkpoints.formats.onnx.names import scope_of
from lineage.checkpoints.formats.onnx.tensors import Stored
from lineage.types import TensorView

ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_LAYER = re.compile(r"_(\d{1,4})$")
_DIRECTIONS = ("", "_reverse")


def recurrent_weights(graph: Graph) -> Iterator[tuple[Stored, list[TensorView]]]:
    """Go through the constants that a recurrent layer of this graph reads, each with the tensors that it holds."""
    for node in graph.nodes:
        if node.op not in ORDER:
            continue
        for position, kinds in ((1, ("weight_ih",)), (2, ("weight_hh",)), (3, ("bias_ih", "bias_hh"))):
            stored = graph.constant(node.reads(position))
            if stored is not None and _fits(stored, len(ORDER[node.op]), position):
                yield stored, list(_split(node, stored, kinds))


def _fits(stored: Stored, gates: int, position: int) -> bool:
    """Whether a constant has the shape of a recurrent layer's input at `position`."""
    if stored.place is None or stored.bits < 8 or len(stored.shape) != (2 if position == 3 else 3):
        return False
    parts = 2 * gates if position == 3 else gates
    return stored.shape[0] in {1, 2} and stored.shape[1] % parts == 0


def _split(node: Node, stored: Stored, kinds: tuple[str, ...]) -> Iterator[TensorView]:
    module, layer = _module(node, stored)
    rows = stored.shape[1] // len(kinds)
    rest = stored.shape[2:]
    for direction in range(stored.shape[0]):
        for part, kind in enumerate(kinds):
            name = f"{module}.{kind}_l{layer}{_DIRECTIONS[direction]}"
            view = _part(stored, (rows, *rest), direction * len(kinds) + part).view(name)
            yield blocks_in_order(view, ORDER[node.op])


def _part(stored: Stored, shape: tuple[int, ...], index: int) -> Stored:
    """Piece `index` of a tensor that is made of equal pieces of that shape."""
    assert stored.place is not None
    piece = stored.reshaped(shape)
    size = piece.count * stored.dtype.itemsize
    place = replace(stored.place, shape=shape, start=stored.place.start + index * size)
    return replace(piece, place=place, storage=f"{stored.storage}/{index}")


def _module(node: Node, stored: Stored) -> tuple[str, int]:
    """Name of the layer's module, and which layer of it this node is."""
    counted = _LAYER.search(node.name.rpartition("/")[2])
    return scope_of(node) or stored.name, int(counted[1]) if counted else 0
