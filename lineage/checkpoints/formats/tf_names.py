"""Names that TensorFlow's converters make: an operation's path, or several of them joined by semicolons."""

from __future__ import annotations

import re

_PRODUCT = re.compile(
    r"/(?:Conv[123]D|conv[123]d(?:_transpose)?|Conv[23]DBackpropInput\w*|depthwise\w*|DepthwiseConv2dNative|separable_conv2d"
    r"|convolution|conv_transpose|MatMul|BatchMatMul\w*|Tensordot(?:/\w+)?)(?:_\d+)?$"
)
_SUM = re.compile(r"/(?:BiasAdd|biases)(?:/ReadVariableOp)?(?:_\d+)?$")
_READ = re.compile(r"/(?:ReadVariableOp|read)(?:_\d+)?$")


def parameter_name(name: str, rank: int) -> str:
    """Name a parameter after the layer whose product or sum reads it, else after the first of the joined names.

    "model/norm/FusedBatchNormV3;model/conv_1/Conv2D" of more than one axis is "model/conv_1/weight".
    """
    pieces = name.split(";")
    pattern, leaf = (_PRODUCT, "weight") if rank > 1 else (_SUM, "bias")
    for piece in reversed(pieces):
        match = pattern.search(piece)
        if match is not None and match.start():
            return f"{piece[: match.start()]}/{leaf}"
    return _READ.sub("", pieces[0]) or "constant"
