"""The order of the axes of convolution kernels in files that do not state it: inferred from shapes and biases.

torch has (out, in, places), TensorFlow (places, in, out), MLX (out, places, in). A file has one order for all of its
kernels. It is one that each of them can have: few places, and as many units as the bias beside it is long.
Sources: torch.nn.Conv2d, tf.nn.conv2d, mlx.nn.Conv2d.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from lineage.checkpoints.decode.biases import Shape, bias_length
from lineage.checkpoints.decode.kernel_layout import (
    LARGEST_KERNEL,
    Layout,
    fits_tensorflow,
    is_kernel,
    read_pointwise,
    tensorflow_layout,
)
from lineage.checkpoints.decode.rearranged import turned
from lineage.checkpoints.io.byte_sources import Decoded, Recent
from lineage.checkpoints.io.views import Place
from lineage.types import AnyArray, TensorView

Order = Literal["torch", "tensorflow", "mlx"]


def order_of(shapes: Mapping[str, Shape]) -> Order:
    """The order of the kernels among tensors of these names and shapes.

    Torch's, unless some kernel cannot have it, all can have one other order and no third, and a square one of more
    than one place is among them: one odd tensor of four axes in a torch file changes nothing.
    """
    kernels = [(shape, bias_length(name, shapes)) for name, shape in shapes.items() if is_kernel(name, shape)]
    fitting = [order for order, fits in _FITS.items() if all(fits(shape, bias) for shape, bias in kernels)]
    if "torch" in fitting or len(fitting) != 1:
        return "torch"
    (order,) = fitting
    places = slice(0, -2) if order == "tensorflow" else slice(1, -1)
    is_plain = any(len({*shape[places]}) == 1 and shape[places][0] > 1 for shape, _ in kernels)
    return order if is_plain else "torch"


def in_torch_order(path: Path, tensors: Sequence[TensorView]) -> tuple[TensorView, ...]:
    """Bring kernels into torch's order, for formats that do not define the order of axes."""
    shapes = {view.name: view.shape for view in tensors}
    order = order_of(shapes)
    if order == "mlx":
        return tuple(channels_first(view) if is_kernel(view.name, view.shape) else view for view in tensors)
    if order == "torch":
        return tuple(tensors)
    recent, pointwise = Recent(), read_pointwise(shapes)
    return tuple(
        _rearranged(path, view, tensorflow_layout(view.name, view.shape, shapes, pointwise), shapes, recent)
        if is_kernel(view.name, view.shape)
        else view
        for view in tensors
    )


def channels_first(view: TensorView) -> TensorView:
    """Bring the input channels of a kernel, which are its last axis, to where torch has them."""

    def rows(start: int, stop: int) -> AnyArray:
        return np.ascontiguousarray(np.moveaxis(view.rows(start, stop), -1, 1))

    return replace(view, shape=(view.shape[0], view.shape[-1], *view.shape[1:-1]), rows=rows)


def _rearranged(
    path: Path, view: TensorView, layout: Layout, shapes: Mapping[str, Shape], recent: Recent
) -> TensorView:
    """View a tensor in another layout. Every band of it is spread all over the tensor, which is read once and held."""
    dtype, size = view.dtype, view.dtype.itemsize * int(np.prod(view.shape, dtype=np.int64))

    def make() -> bytes:
        return np.ascontiguousarray(view.rows(0, view.shape[0])).tobytes()

    held = Decoded(path, size, view.name, make, recent, packed=lambda: view.spans(0, view.shape[0]))
    place = Place(held, 0, layout.shape, dtype)
    name = layout.name if layout.name not in shapes else view.name
    return replace(turned(name, place, layout.strides, view.storage), encoding=view.encoding)


def _is_small(places: Shape) -> bool:
    return max(places) <= LARGEST_KERNEL


def _fits_torch(shape: Shape, bias: int | None) -> bool:
    """Units come first, or second where the convolution is transposed, perhaps in groups."""
    if bias is None or bias == shape[0] or not _is_small(shape[2:]):
        return _is_small(shape[2:])
    groups, odd = divmod(bias, shape[1])
    return groups > 0 and not odd and shape[0] % groups == 0


def _fits_mlx(shape: Shape, bias: int | None) -> bool:
    return _is_small(shape[1:-1]) and (bias is None or bias == shape[0])


_FITS: Mapping[Order, Callable[[Shape, int | None], bool]] = {
    "torch": _fits_torch,
    "tensorflow": fits_tensorflow,
    "mlx": _fits_mlx,
}
