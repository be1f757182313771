"""Names for the constants of an ONNX graph: those of the model before its export, where they can be inferred."""

from __future__ import annotations

import re

from lineage.checkpoints.formats.onnx.graph import Graph, Node
from lineage.checkpoints.formats.onnx.quantized import Weight
from lineage.checkpoints.formats.tf_names import parameter_name

# What exporters and optimisers call a constant that has lost its name.
_ANONYMOUS = re.compile(
    r"(?:onnx::\w+_\d+|\d+|val_\d+|_v_\d+|const_fold_opt__\d+|[\w/.]*Constant(?:_\d+)?_output_\d+|const_\w*\d+(?:_\d+)*)"
)
_INLINED = re.compile(r"__Inline_\d+__")
_FUNCTION = re.compile(r"^(?:F\d+::)+")
# Where a matrix (in, out) stands among the inputs.
_MATRIX = {
    "MatMul": 1, "FusedMatMul": 1, "MatMulInteger": 1, "MatMulIntegerToFloat": 1, "DynamicQuantizeMatMul": 1,
    "QLinearMatMul": 3,
}  # fmt: skip
_READS_WEIGHT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "ConvInteger": 1, "QLinearConv": 3, "QGemm": 3}
_READS_BIAS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


def scope_of(node: Node) -> str:
    """The module that a node stands for, from a name such as "/encoder/layer.0/attention/MatMul"; empty without one.

    A module in a list or sequence repeats the name of the list: "/encoder/encoder.0/conv/Conv" is "encoder.0.conv".
    """
    if not node.name.startswith("/"):
        return ""
    segments = node.name.split("/")[1:-1]
    kept = [
        segment
        for segment, behind in zip(segments, [*segments, ""][1:], strict=True)
        if segment and not behind.startswith(f"{segment}.")
    ]
    return ".".join(kept)


def is_anonymous(name: str) -> bool:
    """Whether an exporter or optimiser made the name up."""
    return _ANONYMOUS.fullmatch(name) is not None


def plain(name: str, rank: int) -> str:
    """A name without the marks of inlining and fusion; `rank` is the number of axes of what it names."""
    name = _INLINED.sub(".", _FUNCTION.sub("", name))
    return parameter_name(name, rank) if ";" in name else name or "constant"


def original(weight: Weight) -> tuple[str, bool]:
    """The name of a weight, and whether its matrix was transposed by the exporter and has to be transposed back.

    A torch Linear is exported as MatMul with a nameless constant (in, out); the name comes from the bias that is
    added behind it, or from the scope of the node.
    """
    rank = len(weight.stored.shape)
    if not is_anonymous(weight.name):
        return plain(weight.name, rank), False
    for graph, node, position in weight.graph.readers.get(weight.value, ()):
        if _MATRIX.get(node.op) == position and rank == 2:
            module = _module_of_bias(graph, node, weight.stored.shape) or scope_of(node)
            if module:
                return f"{module}.weight", weight.can_turn
        for table, leaf in ((_READS_WEIGHT, "weight"), (_READS_BIAS, "bias")):
            if table.get(node.op) == position and scope_of(node):
                in_first = node.op == "Gemm" and leaf == "weight" and not node.integers.get("transB", 0)
                return f"{scope_of(node)}.{leaf}", in_first and weight.can_turn
            if table.get(node.op) == position and ";" in node.name:
                return parameter_name(node.name, rank), False
    return plain(weight.name, rank), False


def _module_of_bias(graph: Graph, node: Node, shape: tuple[int, ...]) -> str:
    """The module whose bias is added to the product that `node` makes."""
    readers = graph.readers.get(node.outputs[0], ()) if node.outputs else ()
    for where, sum_, position in readers:
        other = sum_.reads(1 - position) if sum_.op == "Add" and position < 2 else ""
        bias = where.constant(other) if other.endswith(".bias") else None
        if bias is not None and bias.shape == shape[1:]:
            return plain(other, 1).removesuffix(".bias")
    return ""
