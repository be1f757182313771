"""What a constant of a TensorFlow graph is for: the name that it had before, and the order of its axes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.checkpoints.decode.biases import Shape
from lineage.checkpoints.decode.kernel_layout import Layout, kernel_layout, named_layout
from lineage.checkpoints.decode.rearranged import row_major
from lineage.checkpoints.formats.tf.constants import Constant
from lineage.checkpoints.formats.tf.graph import IDENTITIES, Graph, Use

# Where an operation reads its kernel, whose axes are places, channels in, channels out; or channels, multiplier.
_KERNELS = {
    "Conv2D": 1, "Conv3D": 1, "Conv2DBackpropInput": 1, "Conv3DBackpropInput": 1, "Conv3DBackpropInputV2": 1,
    "QuantizedConv2D": 1, "_FusedConv2D": 1, "FusedPadConv2D": 2, "FusedResizeAndPadConv2D": 3,
}  # fmt: skip
_DEPTHWISE = {"DepthwiseConv2dNative": 1, "DepthwiseConv2dNativeBackpropInput": 1, "QuantizedDepthwiseConv2D": 1}
# Products with a matrix (in, out) as their second input, and the attribute that says it is (out, in).
_PRODUCTS = {
    "MatMul": "transpose_b", "_FusedMatMul": "transpose_b", "QuantizedMatMul": "transpose_b",
    "SparseMatMul": "transpose_b", "BatchMatMul": "adj_y", "BatchMatMulV2": "adj_y", "BatchMatMulV3": "adj_y",
}  # fmt: skip
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_OF_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
# Other inputs of a layer, and their names there.
_OTHERS = {
    ("BiasAdd", 1): "bias", ("BiasAddV1", 1): "bias", ("QuantizedBiasAdd", 1): "bias",
    **{(op, at + 1): leaf for op in _NORMS for at, leaf in enumerate(_OF_NORM)},
}  # fmt: skip
# What hands on a kernel with its last axes where they were; a vector may also be given another shape.
_PASSED = IDENTITIES | {
    "Cast", "ExpandDims", "Dequantize", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars",
    "FakeQuantWithMinMaxVarsPerChannel",
}  # fmt: skip
_RESHAPED = _PASSED | {"Reshape", "Squeeze"}

_READ = re.compile(r"/read(?:/_\d+__cf__\d+)?$")
_READ_BY_OPERATION = re.compile(r"/ReadVariableOp(?:_\d+)?(?:/resource)?(?:/_\d+__cf__\d+)?$")
_CODES = re.compile(r"_(?:quantized|quint8|qint8)_const$")


@dataclass(frozen=True, slots=True)
class Role:
    """The name and layout of a constant, and whether it was a variable or a layer reads it."""

    layout: Layout
    is_parameter: bool


def role_of(graph: Graph, name: str, constant: Constant, shapes: Mapping[str, Shape]) -> Role:
    """Infer what a constant is for from the nodes that read it; `shapes` are those of all constants."""
    uses = graph.uses(name, _RESHAPED if len(constant.shape) == 1 else _PASSED)
    plain = _name(name, uses)
    is_parameter = graph.is_variable(name) or any(_leaf(use) for use in uses)
    return Role(_layout(graph, plain, constant.shape, uses, shapes), is_parameter)


def _name(name: str, uses: Sequence[Use]) -> str:
    """The name of a variable, or of the layer that reads it where only the operation that read it has a name."""
    name = _CODES.sub("", name)
    place = _READ_BY_OPERATION.sub("", name)
    if place == name:
        return _READ.sub("", name)
    owner = place.rpartition("/")[0]
    for use in uses:
        module, leaf = use[0].name.rpartition("/")[0], _leaf(use)
        if leaf and module and f"{place}/".startswith(f"{module}/"):
            return f"{module}/{leaf}"
        if leaf and owner and module.startswith(f"{owner}/"):
            return f"{owner}/{leaf}"
    return place


def _leaf(use: Use) -> str:
    """What a layer calls an input, empty if the node does not belong to a layer."""
    node, position = use
    if position == _KERNELS.get(node.op) or position == _DEPTHWISE.get(node.op):
        return "weight"
    if node.op in _PRODUCTS and position < 2:
        return "weight"
    return _OTHERS.get((node.op, position), "")


def _layout(graph: Graph, name: str, shape: Shape, uses: Sequence[Use], shapes: Mapping[str, Shape]) -> Layout:
    """The layout by the operation that reads a constant, else by its name."""
    for node, position in uses:
        depthwise = position == _DEPTHWISE.get(node.op)
        if len(shape) in {3, 4, 5} and (depthwise or position == _KERNELS.get(node.op)):
            return kernel_layout(name, shape, depthwise=depthwise)
    products = [node for node, position in uses if node.op in _PRODUCTS and position == 1]
    is_turned = products and all(graph.flag(node, _PRODUCTS[node.op]) for node in products)
    if len(shape) == 2 and is_turned and len(products) == len(uses):
        return Layout(name, shape[::-1], (1, shape[1]))
    return Layout(name, shape, row_major(shape)) if products else named_layout(name, shape, shapes)
