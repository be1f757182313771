"""Old quantised graphs: codes of eight bits, and the range of numbers that they stand for, as two constants.

Source: `Dequantize`, `QuantizedConv2D` and `QuantizedMatMul` of TensorFlow, and the kernel of the first,
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/dequantize_op.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lineage.checkpoints.decode.affine import dequantised
from lineage.checkpoints.formats.tf.constants import Constant, locate
from lineage.checkpoints.formats.tf.graph import IDENTITIES, Graph, Node
from lineage.checkpoints.io.byte_sources import Recent
from lineage.checkpoints.io.views import DenseRows
from lineage.types import AnyArray, TensorView

CODES = frozenset({11, 12, 15, 16})  # signed and unsigned, of eight and of sixteen bits
# Positions of the codes and of the least and greatest number that they stand for.
_INPUTS = {
    "Dequantize": (0, 1, 2), "QuantizedConv2D": (1, 4, 5), "QuantizedDepthwiseConv2D": (1, 4, 5),
    "QuantizedMatMul": (1, 4, 5), "QuantizedBiasAdd": (1, 4, 5),
}  # fmt: skip
_FLOAT, _NO_AXIS = 1, -1


def find_range(graph: Graph, name: str) -> Callable[[TensorView], TensorView] | None:
    """What turns the codes of that name into numbers; None where the graph does not give their range."""
    for node, position in graph.uses(name, IDENTITIES):
        at_codes, *at_ends = _INPUTS.get(node.op, (-1,))
        if position != at_codes or graph.integer(node, "axis", _NO_AXIS) != _NO_AXIS:
            continue
        ends = [_number(graph, node, at) for at in at_ends]
        scale, zero = _scale_and_zero(graph, node, graph.constants[name], *ends)
        if scale:
            return lambda codes: _decoded(codes, scale, zero)
    return None


def _decoded(codes: TensorView, scale: float, zero: float) -> TensorView:
    rank = len(codes.shape)
    return dequantised(
        codes, _everywhere(scale, rank), _everywhere(zero, rank), f"tensorflow {codes.dtype.name} per-tensor"
    )


def _scale_and_zero(graph: Graph, node: Node, codes: Constant, least: float, greatest: float) -> tuple[float, float]:
    """The number `(code - zero) * scale` that a code stands for; a scale of 0 where the range is empty."""
    lowest, highest = (int(edge) for edge in (np.iinfo(codes.dtype).min, np.iinfo(codes.dtype).max))
    mode = graph.text(node, "mode") if node.op == "Dequantize" else "MIN_FIRST"
    if mode == "SCALED":
        narrow = int(graph.flag(node, "narrow_range"))
        scale = greatest / highest if lowest == 0 else max(least / (lowest + narrow), greatest / highest)
        return (scale, 0.0) if math.isfinite(scale) and scale > 0 else (0.0, 0.0)
    scale = (greatest - least) / (highest - lowest)
    if not math.isfinite(scale) or scale <= 0:
        return 0.0, 0.0
    # The first of these modes moves the range so that zero has a code.
    steps = round(least / scale) if mode == "MIN_FIRST" else least / scale
    return scale, lowest - steps


def _number(graph: Graph, node: Node, position: int) -> float:
    """The single number that a node reads; NaN if it is not a single number or is computed."""
    data = [value for value in node.inputs if not value.startswith("^")]
    found = graph.constant(data[position]) if position < len(data) else None
    if found is None or found[1].kind != _FLOAT or found[1].count != 1:
        return math.nan
    return float(DenseRows(locate(graph.wire.source, *found, Recent()))(0, 1).reshape(-1)[0])


def _everywhere(value: float, rank: int) -> TensorView:
    """One number in a tensor of that many axes."""

    def rows(start: int, stop: int) -> AnyArray:
        return np.full((stop - start, *[1] * (rank - 1)), value, np.float32)

    return TensorView("", (1,) * rank, np.dtype(np.float32), rows, "")
