"""Networks of convolutions and of dense layers, and what can be done to their channels without any effect."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tests.synthetic import Arrays

WIDTHS = (48, 64, 80, 96, 96, 64)


def convolutional(seed: int, widths: tuple[int, ...] = WIDTHS, places: int = 3) -> Arrays:
    """Convolutions one after the other, each with its norm: `stem`, then `features.N`, and a classifier."""
    random = np.random.default_rng(seed)
    arrays: Arrays = {}
    for layer, (into, out) in enumerate(zip((3, *widths), widths, strict=False)):
        at = f"features.{layer}"
        # As in trained networks, some channels do more than others.
        kernel = random.standard_normal((out, into, places, places)) * random.gamma(8.0, 0.125, (out, 1, 1, 1))
        arrays[f"{at}.conv.weight"] = (kernel * random.gamma(8.0, 0.125, (1, into, 1, 1))).astype(np.float32)
        arrays[f"{at}.bn.weight"] = (1.0 + 0.2 * random.standard_normal(out)).astype(np.float32)
        arrays[f"{at}.bn.bias"] = (0.1 * random.standard_normal(out)).astype(np.float32)
        arrays[f"{at}.bn.running_mean"] = random.standard_normal(out).astype(np.float32)
        arrays[f"{at}.bn.running_var"] = random.gamma(2.0, 0.5, out).astype(np.float32)
    arrays["classifier.weight"] = random.standard_normal((10, widths[-1])).astype(np.float32)
    return arrays


def residual(seed: int, blocks: int = 4, width: int = 64) -> Arrays:
    """A stem, and blocks that add to its channels what two convolutions make of them."""
    random = np.random.default_rng(seed)
    arrays: Arrays = {"stem.weight": random.standard_normal((width, 3, 3, 3)).astype(np.float32)}
    for block in range(blocks):
        for name, (out, into) in (("conv1", (96, width)), ("conv2", (width, 96))):
            arrays[f"blocks.{block}.{name}.weight"] = random.standard_normal((out, into, 3, 3)).astype(np.float32)
    return arrays | {"fc.weight": random.standard_normal((10, width)).astype(np.float32)}


def dense(seed: int, widths: tuple[int, ...] = (40, 128, 160, 96, 5)) -> Arrays:
    """Dense layers one after the other."""
    random = np.random.default_rng(seed)
    return {
        f"layers.{layer}.weight": random.standard_normal((out, into)).astype(np.float32)
        for layer, (into, out) in enumerate(pairwise(widths))
    }


def channels(name: str) -> list[tuple[int, str]]:
    """The axes of hidden channels of a tensor of these networks, and which they are."""
    module, *rest = name.split(".")
    if module == "features":
        layer = int(rest[0])
        reads = [(1, f"{layer - 1}")] if rest[1] == "conv" and layer else []
        return [(0, f"{layer}"), *reads]
    if module == "blocks":
        inner = f"inside {rest[0]}"
        return [(0, inner), (1, "stream")] if rest[1] == "conv1" else [(0, "stream"), (1, inner)]
    if module == "layers":
        layer = int(rest[0])
        return [*([(0, f"{layer}")] if layer < 3 else []), *([(1, f"{layer - 1}")] if layer else [])]
    return {"stem": [(0, "stream")], "fc": [(1, "stream")], "classifier": [(1, f"{len(WIDTHS) - 1}")]}[module]


def reordered(arrays: Mapping[str, NDArray[np.float32]], seed: int) -> Arrays:
    """The same network with all its hidden channels in another order."""
    random = np.random.default_rng(seed)
    orders: dict[str, NDArray[np.int64]] = {}
    made = dict(arrays)
    for name in arrays:
        for axis, group in channels(name):
            order = orders.setdefault(group, random.permutation(made[name].shape[axis]))
            made[name] = np.take(made[name], order, axis)
    return made


def scaled(arrays: Mapping[str, NDArray[np.float32]], seed: int) -> Arrays:
    """The same function with a scale moved between each hidden channel's row and the columns that read it."""
    random = np.random.default_rng(seed)
    sizes: dict[str, NDArray[np.float32]] = {}
    made = dict(arrays)
    for name in [name for name in arrays if arrays[name].ndim > 1]:
        for axis, group in channels(name):
            drawn = np.exp(0.7 * random.standard_normal(made[name].shape[axis])).astype(np.float32)
            size = sizes.setdefault(group, drawn)
            shape = [-1 if place == axis else 1 for place in range(made[name].ndim)]
            made[name] = made[name] * (size if axis == 0 else 1.0 / size).reshape(shape)
    return made


def folded(arrays: Mapping[str, NDArray[np.float32]]) -> Arrays:
    """A network of `convolutional` with its norms folded into the convolutions, which have biases then."""
    made: Arrays = {}
    for name, array in arrays.items():
        at = name.removesuffix(".conv.weight")
        if at != name:
            gain = arrays[f"{at}.bn.weight"] / np.sqrt(arrays[f"{at}.bn.running_var"] + 1e-5)
            made[name] = array * gain[:, None, None, None]
            made[f"{at}.conv.bias"] = arrays[f"{at}.bn.bias"] - gain * arrays[f"{at}.bn.running_mean"]
        elif ".bn." not in name:
            made[name] = array
    return made
