"""Variables of Keras layers by the names that their layers give them."""

from __future__ import annotations

import re

_COUNTED = re.compile(r"_\d+$")
_SAYS_NOTHING = frozenset({"layers", "_layer_checkpoint_dependencies", "model_weights", "cell", "vars"})
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_RECURRENT = ("kernel", "recurrent_kernel", "bias")
_CONVOLUTION = ("kernel", "bias")
# The order in which a layer makes its variables: keras/src/layers.
_VARIABLES = {
    "dense": _CONVOLUTION,
    "einsum_dense": _CONVOLUTION,
    "conv1d": _CONVOLUTION,
    "conv2d": _CONVOLUTION,
    "conv3d": _CONVOLUTION,
    "conv1d_transpose": _CONVOLUTION,
    "conv2d_transpose": _CONVOLUTION,
    "conv3d_transpose": _CONVOLUTION,
    "depthwise_conv1d": ("depthwise_kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings",),
    "batch_normalization": _NORM,
    "layer_normalization": _NORM[:2],
    "lstm": _RECURRENT,
    "gru": _RECURRENT,
    "simple_rnn": _RECURRENT,
    "lstm_cell": _RECURRENT,
    "gru_cell": _RECURRENT,
}


def variable_name(path: str, variables: int) -> str:
    """The name of a variable from its path in the file; `variables` lie in the same group.

    "model_weights/conv/conv/kernel:0" is "conv/kernel", "layers/conv2d_3/vars/0" is "conv2d_3/kernel".
    """
    parts = [part for part in path.split("/") if part]
    last = parts[-1].removesuffix(":0")
    owner = [part for part in parts[:-1] if part not in _SAYS_NOTHING] or parts[:-1]
    owner = [part for part, before in zip(owner, ["", *owner], strict=False) if part != before]
    if parts[-2:-1] == ["vars"] and owner and last.isdigit() and len(last) < 4:
        known = _VARIABLES.get(_COUNTED.sub("", owner[-1]), ())
        # A norm without gain or offset has fewer variables, and then their order does not identify them.
        if int(last) < len(known) and (known is not _NORM or variables == len(known)):
            last = known[int(last)]
    return "/".join([*owner, last])
