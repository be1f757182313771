"""What the layers of ncnn keep in the file of weights, in its order, by the names and axes of torch.

Source: `load_model` of each file in https://github.com/Tencent/ncnn/tree/master/src/layer, and docs/developer-guide/
operators.md. Convolutions are (out, in, height, width), products (out, in). A transposed convolution is (out, in,
height, width), in torch (in, out, height, width). The gates of an LSTM are input, forget, output, cell; in torch input,
forget, cell, output. Those of a GRU are as in torch; its bias of the new gate is kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lineage.checkpoints.formats.ncnn.param import Layer

_LSTM_GATES = (0, 1, 3, 2)
_KERNELS = {"1D": (1,), "": (11, 1), "3D": (21, 11, 1)}  # keys of the sides of a kernel
_VARIABLE = -233  # a size that is known when the network runs: nothing is kept


@dataclass(frozen=True, slots=True)
class Kept:
    """One run of values: torch's name, the shape as stored, and whether a tag in front says how they are stored.

    `axes` is the order of the axes in torch, `blocks` the order of the blocks of the first axis. `scales` are the
    divisors of the integers kept before in the same layer.
    """

    leaf: str
    shape: tuple[int, ...]
    tagged: bool = False
    axes: tuple[int, ...] | None = None
    blocks: tuple[int, ...] | None = None
    scales: bool = False


def kept(layer: Layer) -> Iterator[Kept]:
    """What a layer keeps; nothing for a layer without weights, or of a type that is not known here."""
    if layer.type in _LAYOUTS:
        yield from (part for part in _LAYOUTS[layer.type](layer) if 0 not in part.shape)


def _vector(leaf: str, size: int) -> Kept:
    return Kept(leaf, (size,))


def _convolution(kernel: tuple[int, ...], dynamic: int, *, turned: bool = False) -> Callable[[Layer], Iterator[Kept]]:
    def layout(layer: Layer) -> Iterator[Kept]:
        if layer.number(dynamic):
            return
        out, count = layer.number(0), layer.number(6)
        width = layer.number(1)
        sides = tuple(layer.number(key, width) for key in kernel)
        inner = count // max(1, _product((out, *sides)))
        axes = (1, 0, *range(2, 2 + len(sides))) if turned else None
        yield Kept("weight", (out, inner, *sides), tagged=True, axes=axes)
        if layer.number(5):
            yield _vector("bias", out)
        yield from _scales_of_convolution(layer, out)

    return layout


def _scales_of_convolution(layer: Layer, out: int) -> Iterator[Kept]:
    term = layer.number(8)
    if term:
        each = layer.number(7, 1) if "DepthWise" in layer.type and term in {1, 101} else out
        yield Kept("weight_scales", (1 if term in {2, 102} else each,), scales=True)
        yield _vector("input_scales", 1)
    if term > 100:
        yield _vector("output_scales", 1)


def _inner_product(layer: Layer) -> Iterator[Kept]:
    out = layer.number(0)
    yield Kept("weight", (out, layer.number(2) // max(out, 1)), tagged=True)
    if layer.number(1):
        yield _vector("bias", out)
    if layer.number(8):
        yield Kept("weight_scales", (out,), scales=True)
        yield _vector("input_scales", 1)


def _embed(layer: Layer) -> Iterator[Kept]:
    yield Kept("weight", (layer.number(1), layer.number(0)), tagged=True)
    if layer.number(2):
        yield _vector("bias", layer.number(0))
    if layer.number(18):
        yield Kept("weight_scales", (1,), scales=True)


def _batch_norm(layer: Layer) -> Iterator[Kept]:
    for leaf in ("weight", "running_mean", "running_var", "bias"):
        yield _vector(leaf, layer.number(0))


def _affine(size: int, flag: int, *leaves: str) -> Callable[[Layer], Iterator[Kept]]:
    def layout(layer: Layer) -> Iterator[Kept]:
        if layer.number(flag, 1):
            yield from (_vector(leaf, layer.number(size)) for leaf in leaves)

    return layout


def _scale(layer: Layer) -> Iterator[Kept]:
    if layer.number(0) != _VARIABLE:
        yield _vector("weight", layer.number(0))
        if layer.number(1):
            yield _vector("bias", layer.number(0))


def _vectors(*leaves: tuple[int, str]) -> Callable[[Layer], Iterator[Kept]]:
    def layout(layer: Layer) -> Iterator[Kept]:
        yield from (_vector(leaf, layer.number(key)) for key, leaf in leaves)

    return layout


def _recurrent(gates: int, biases: int, blocks: tuple[int, ...] | None) -> Callable[[Layer], Iterator[Kept]]:
    def layout(layer: Layer) -> Iterator[Kept]:
        out = layer.number(0)
        hidden = layer.number(3, out) if gates == 4 else out
        directions = 2 if layer.number(2) == 2 else 1
        inner = layer.number(1) // max(1, directions * gates * hidden)
        if layer.number(8):
            return  # int8 with scales of a layout of their own
        shapes = (
            ("weight_ih", (gates * hidden, inner)),
            ("bias", (biases * hidden,)),
            ("weight_hh", (gates * hidden, out)),
        )
        for leaf, shape in shapes:
            for way in ("", "_reverse")[:directions]:
                yield Kept(f"{leaf}_l0{way}", shape, tagged=way == "", blocks=blocks)
        if hidden != out:
            for way in ("", "_reverse")[:directions]:
                yield Kept(f"weight_hr_l0{way}", (out, hidden), tagged=way == "")

    return layout


def _attention(layer: Layer) -> Iterator[Kept]:
    width, count = layer.number(0), layer.number(2)
    query = count // max(1, width)
    inner = {"q": query, "k": layer.number(3, width), "v": layer.number(4, width)}
    for name, side in inner.items():
        yield Kept(f"{name}_proj.weight", (width, side), tagged=True)
        yield _vector(f"{name}_proj.bias", width)
    yield Kept("out_proj.weight", (query, width), tagged=True)
    yield _vector("out_proj.bias", query)


def _memory(layer: Layer) -> Iterator[Kept]:
    sides = tuple(layer.number(key) for key in (2, 11, 1, 0) if layer.number(key))
    if sides:
        yield Kept("", sides, tagged=layer.number(21, 1) == 0)


def _gemm(layer: Layer) -> Iterator[Kept]:
    m, n, k = layer.number(7), layer.number(8), layer.number(9)
    if layer.number(4):
        yield Kept("a", (k, m) if layer.number(2) else (m, k), tagged=True)
    if layer.number(5):
        turned = not layer.number(3)  # (in, out)
        yield Kept("weight", (k, n) if turned else (n, k), tagged=True, axes=(1, 0) if turned else None)
    if layer.number(6) and layer.number(10, -1) >= 0:
        yield Kept("bias", {0: (1,), 1: (m,), 2: (m,), 3: (m, n), 4: (n,)}.get(layer.number(10), (1,)), tagged=True)


def _product(sides: tuple[int, ...]) -> int:
    count = 1
    for side in sides:
        count *= side
    return count


_LAYOUTS: dict[str, Callable[[Layer], Iterator[Kept]]] = {
    **{f"Convolution{d}": _convolution(keys, 19) for d, keys in _KERNELS.items()},
    **{f"ConvolutionDepthWise{d}": _convolution(keys, 19) for d, keys in _KERNELS.items()},
    **{f"Deconvolution{d}": _convolution(keys, 28, turned=True) for d, keys in _KERNELS.items()},
    **{f"DeconvolutionDepthWise{d}": _convolution(keys, 28) for d, keys in _KERNELS.items()},
    "DeformableConv2D": _convolution((11, 1), 19),
    "InnerProduct": _inner_product,
    "Embed": _embed,
    "BatchNorm": _batch_norm,
    "InstanceNorm": _affine(0, 2, "weight", "bias"),
    "GroupNorm": _affine(1, 3, "weight", "bias"),
    "LayerNorm": _affine(0, 2, "weight", "bias"),
    "RMSNorm": _affine(0, 2, "weight"),
    "Normalize": _vectors((3, "weight")),
    "Scale": _scale,
    "Bias": _vectors((0, "bias")),
    "PReLU": _vectors((0, "weight")),
    "Quantize": _vectors((0, "scales")),
    "Dequantize": _vectors((0, "scales"), (1, "bias")),
    "Requantize": _vectors((0, "input_scales"), (1, "output_scales"), (2, "bias")),
    "LSTM": _recurrent(4, 4, _LSTM_GATES),
    "GRU": _recurrent(3, 4, None),
    "RNN": _recurrent(1, 1, None),
    "MultiHeadAttention": _attention,
    "MemoryData": _memory,
    "Gemm": _gemm,
}
