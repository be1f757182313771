"""Weights of an ONNX graph that are kept as integers with a scale, found by the nodes that undo it or by their names.

Sources: https://onnx.ai/onnx/operators/ (DequantizeLinear, QLinearConv, QLinearMatMul),
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md (QGemm, MatMulNBits),
onnxruntime/python/tools/quantization/quant_utils.py (the names of dynamic quantization).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lineage.checkpoints.decode.affine import dequantised, granularity
from lineage.checkpoints.formats.onnx.graph import Graph, Node
from lineage.checkpoints.formats.onnx.tensors import Stored
from lineage.types import TensorView

# Positions of codes, scale and zero point among the inputs, and the axis of the scales if no attribute names one.
_NODES = {
    "DequantizeLinear": (0, 1, 2, 1),
    "QLinearConv": (3, 4, 5, 0),
    "QLinearMatMul": (3, 4, 5, -1),
    "QGemm": (3, 4, 5, -1),
}
_CODES = re.compile(r"(?:_quantized|_quant|_q|(?:_DQ)?_Q\d+(?:G\d+)?)$")  # suffixes of the names of codes
_ZERO = "_zero_point"
_SCALE = "_scale"


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant that is a weight: `value` is the name under which nodes read it, decoded if it has a scale.

    `scale` and `zero` have as many axes as `stored`; `run` values share one where they are in blocks.
    """

    name: str
    stored: Stored
    graph: Graph
    value: str
    scale: Stored | None = None
    zero: Stored | None = None
    run: int = 1

    def view(self, name: str, *, transposed: bool = False) -> TensorView:
        """View the numbers, a matrix transposed if asked (not one of packed codes: ask `can_turn`)."""
        axes = (1, 0) if transposed else None
        codes = self.stored.view(name, axes)
        if self.scale is None:
            return codes
        scale = self.scale.view(name, axes)
        zero = self.zero.view(name, axes) if self.zero is not None else None
        kind = codes.dtype.name
        words = granularity(codes.shape, scale.shape, self.run)
        return dequantised(codes, scale, zero, f"onnx {kind} {words}", self.run)

    @property
    def parts(self) -> tuple[Stored, ...]:
        """The codes, and the scale and zero point that belong to them."""
        return tuple(part for part in (self.stored, self.scale, self.zero) if part is not None)

    @property
    def can_turn(self) -> bool:
        """Whether the view can be transposed."""
        return len(self.stored.shape) == 2 and all(part.bits >= 8 for part in self.parts)


def quantised_weights(graph: Graph) -> Iterator[Weight]:
    """Find the quantised weights that nodes of one graph decode; then those that only their names show."""
    found: set[int] = set()
    for node in graph.nodes:
        weight = _of_node(graph, node) or _of_cast(graph, node)
        if weight is not None:
            found.add(id(weight.stored))
            yield weight
    for name, stored in graph.constants.items():
        named = _of_name(graph, name, stored) if id(stored) not in found else None
        if named is not None:
            yield named


def plain_name(codes: str) -> str:
    """The name of a weight whose codes are called `codes`."""
    return _CODES.sub("", codes)


def _of_node(graph: Graph, node: Node) -> Weight | None:
    if node.op not in _NODES:
        return None
    at_codes, at_scale, at_zero, axis = _NODES[node.op]
    codes, scale, zero = (graph.constant(node.reads(at)) for at in (at_codes, at_scale, at_zero))
    if codes is None or scale is None or (node.reads(at_zero) and zero is None):
        return None
    block = max(0, node.integers.get("block_size", 0))
    sides = _sides(codes, scale, node.integers.get("axis", axis), block)
    value = node.outputs[0] if node.op == "DequantizeLinear" and node.outputs else codes.name
    weight = _weight(graph, value, (codes, scale, zero), sides)
    return replace(weight, run=block) if weight is not None and block else weight


def _of_name(graph: Graph, name: str, codes: Stored) -> Weight | None:
    base = plain_name(name)
    scale, zero = graph.constant(base + _SCALE), graph.constant(base + _ZERO)
    if base == name or scale is None:
        return None
    # Matrices have a scale for each column of outputs, kernels for each output channel in front.
    axis = -1 if len(codes.shape) == 2 else 0
    return _weight(graph, name, (codes, scale, zero), _sides(codes, scale, axis, 0))


def _of_cast(graph: Graph, node: Node) -> Weight | None:
    """Codes that a graph casts to floating point and multiplies by a constant that broadcasts."""
    codes = graph.constant(node.reads(0)) if node.op == "Cast" and node.outputs else None
    readers = graph.readers.get(node.outputs[0], ()) if codes is not None else ()
    if codes is None or codes.dtype.kind not in "iuV" or len(readers) != 1:
        return None
    where, product, position = readers[0]
    scale = where.constant(product.reads(1 - position)) if product.op == "Mul" and len(product.inputs) == 2 else None
    if scale is None or not product.outputs or len(scale.shape) > len(codes.shape):
        return None
    sides = (1,) * (len(codes.shape) - len(scale.shape)) + scale.shape
    if any(side not in {1, length} for side, length in zip(sides, codes.shape, strict=True)):
        return None
    return _checked(Weight(plain_name(codes.name), codes, where, product.outputs[0], scale.reshaped(sides)))


def _weight(
    graph: Graph, value: str, parts: tuple[Stored, Stored, Stored | None], sides: tuple[int, ...] | None
) -> Weight | None:
    """Put codes, scale and zero point together if the scales, in the shape `sides`, fit."""
    codes, scale, zero = parts
    if sides is None or (zero is not None and zero.count != scale.count):
        return None
    zero = zero.reshaped(sides) if zero is not None else None
    return _checked(Weight(plain_name(codes.name), codes, graph, value, scale.reshaped(sides), zero))


def _sides(codes: Stored, scale: Stored, axis: int, block: int) -> tuple[int, ...] | None:
    """The shape of the scales with as many axes as the codes have; None if they do not fit."""
    rank = len(codes.shape)
    if scale.count == 1:
        return (1,) * rank
    if not -rank <= axis < rank:
        return None
    axis %= rank
    if block > 0:
        blocked = tuple(-(-n // block) if i == axis else n for i, n in enumerate(codes.shape))
        return blocked if scale.shape == blocked else None
    along = tuple(n if i == axis else 1 for i, n in enumerate(codes.shape))
    return along if scale.count == codes.shape[axis] else None


def _checked(weight: Weight) -> Weight | None:
    """The weight, if its scale is a floating-point number and nothing is missing."""
    if any(part.place is None for part in weight.parts) or weight.scale is None:
        return None
    is_float = "float" in weight.scale.dtype.name
    return weight if is_float and weight.stored.dtype.kind not in "fcb" else None
