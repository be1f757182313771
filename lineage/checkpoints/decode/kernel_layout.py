"""Convolution kernels of the TensorFlow family, brought to the order of torch by their names.

TensorFlow, Keras and tfjs keep a kernel as (height, width, in, out), a transposed one as (height, width, out, in),
where torch has (out, in, height, width) and (in, out, height, width): the same rearrangement. A depthwise kernel is
(height, width, channels, multiplier), torch's (channels times multiplier, 1, height, width). Matrices stay as they are.
Sources: tf.nn.conv2d, tf.nn.depthwise_conv2d, tf.keras.layers.SeparableConv2D; torch.nn.Conv2d.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lineage.checkpoints.decode.biases import Shape, bias_length
from lineage.checkpoints.decode.rearranged import row_major

_SEPARATOR = re.compile(r"[/.]")
_KERNEL = re.compile(r"(?:pointwise_)?(?:kernels?|weights?|filters?|w)|pointwise_\w+|\w*conv\w*", re.IGNORECASE)
_NAME = re.compile(r"(?:kernels?|weights?|filters?)$", re.IGNORECASE)
_DEPTHWISE = re.compile(r"depthwise|depth_wise|(?:^|[_/])dw(?:_|/|conv|\d|$)", re.IGNORECASE)
_CONVOLUTION = re.compile(r"conv|tcn|pointwise|depthwise", re.IGNORECASE)
_NO_KERNEL = re.compile(
    r"bias|mask|pos(?:itions?|_|$)|embed|token|table|prior|anchor|grid|index|quer(?:y|ies)|mean|var(?:iance)?$|std$",
    re.IGNORECASE,
)

LARGEST_KERNEL = 11  # on a side


@dataclass(frozen=True, slots=True)
class Layout:
    """How torch would have a tensor: its name and shape, and strides in elements over the values as stored."""

    name: str
    shape: Shape
    strides: Shape


def torch_layout(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> Layout:
    """The layout in torch of a variable of the TensorFlow family; a kernel that is transposed is called a weight.

    `shapes` are those of all tensors by name: the bias of a layer shows how many units it makes. What has no name of a
    kernel is one if its shape can be a kernel's.
    """
    layout = named_layout(name, shape, shapes)
    if layout.strides != row_major(shape) or len(shape) == 3 or not is_kernel(name, shape):
        return layout
    return tensorflow_layout(name, shape, shapes) if max(shape[:-2]) <= LARGEST_KERNEL else layout


def tensorflow_layout(name: str, shape: Shape, shapes: Mapping[str, Shape], pointwise: Collection[int] = ()) -> Layout:
    """The layout in torch of a kernel in TensorFlow's order.

    One that makes one unit of many channels, which convolutions of a single place read, too (they are among
    `pointwise`), is depthwise.
    """
    parts = _SEPARATOR.split(name)
    bias = bias_length(name, shapes)
    depthwise = _is_depthwise("/".join(parts[-2:]), parts[-1], shape, bias)
    is_separable = bias is None and shape[-1] == 1 < max(shape[:-2]) and shape[-2] in pointwise
    return kernel_layout(name, shape, depthwise=depthwise or is_separable)


def read_pointwise(shapes: Mapping[str, Shape]) -> frozenset[int]:
    """How many channels the convolutions of a single place read, in TensorFlow's order."""
    return frozenset(shape[-2] for shape in shapes.values() if len(shape) > 3 and {*shape[:-2]} == {1})


def is_kernel(name: str, shape: Shape) -> bool:
    """Whether a tensor may be the kernel of a convolution; three axes may also be a stack of matrices."""
    path = _SEPARATOR.split(name)
    if _NO_KERNEL.search(path[-1]) or 0 in shape or sum(side > 1 for side in shape) < 2:
        return False
    return len(shape) in (4, 5) or (len(shape) == 3 and _CONVOLUTION.search("/".join(path[-2:])) is not None)


def fits_tensorflow(shape: Shape, bias: int | None) -> bool:
    """Whether a kernel may be (places, in, out), (places, out, in) or (places, channels, multiplier)."""
    made = (shape[-1], shape[-2], shape[-1] * shape[-2])
    return max(shape[:-2]) <= LARGEST_KERNEL and (bias is None or bias in made)


def named_layout(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> Layout:
    """The same by the usual names alone."""
    strides = row_major(shape)
    as_is = Layout(name, shape, strides)
    parts = _SEPARATOR.split(name)
    owner, leaf = "/".join(parts[-2:]), parts[-1]
    if len(shape) not in {3, 4, 5} or not (_KERNEL.fullmatch(leaf) or _DEPTHWISE.search(leaf)):
        return as_is
    if len(shape) == 3 and not _CONVOLUTION.search(owner):
        return as_is  # the kernel of an attention layer: (width, heads, width of a head)
    return kernel_layout(name, shape, depthwise=_is_depthwise(owner, leaf, shape, bias_length(name, shapes)))


def kernel_layout(name: str, shape: Shape, *, depthwise: bool) -> Layout:
    """The layout in torch of the kernel of a convolution, of three to five axes, under the name of a weight."""
    strides = row_major(shape)
    places, steps = shape[:-2], strides[:-2]
    turned = _NAME.sub("weight", name)
    if depthwise:
        return Layout(turned, (shape[-2] * shape[-1], 1, *places), (1, 1, *steps))
    return Layout(turned, (shape[-1], shape[-2], *places), (1, shape[-1], *steps))


def unnamed_layout(shape: Shape, strides: Shape) -> Layout:
    """The layout in torch of a tensor without a name, by its shape alone.

    Four axes that begin with two equal sides of a small kernel and end with more channels, as Keras lists them, are
    taken for (height, width, in, out); one axis with others of length one for a vector.
    """
    wide = [axis for axis, side in enumerate(shape) if side > 1]
    if len(wide) == 1:
        return Layout("", (shape[wide[0]],), (strides[wide[0]],))
    if len(shape) != 4 or shape[0] != shape[1] or shape[0] > LARGEST_KERNEL or shape[2] == shape[3] <= LARGEST_KERNEL:
        return Layout("", shape, strides)
    if shape[0] > 1 and shape[3] <= max(shape[0], 4):
        return Layout("", shape, strides)
    order = (3, 2, 0, 1)
    return Layout("", tuple(shape[axis] for axis in order), tuple(strides[axis] for axis in order))


def _is_depthwise(owner: str, leaf: str, shape: Shape, units: int | None) -> bool:
    if leaf.lower().startswith("pointwise"):
        return False
    if _DEPTHWISE.search(owner) is not None:
        return True
    return units == shape[-2] * shape[-1] and units != shape[-1]
