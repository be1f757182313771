"""Torch tensors that wrap others: a rank's part of a distributed one (DTensor), and torchao's quantised weights.

The arguments of `_rebuild_wrapper_subclass` (torch/_utils.py) give class, type and shape, the state the tensors inside.
DTensor: `_local_tensor` and `_spec` of torch/distributed/tensor/_api.py and _dtensor_spec.py; an axis is cut as
`torch.chunk` cuts it, once for each axis of the mesh. torchao: `qdata` and `scale` of its tensor classes, `int_data` or
`float8_data` and `scale` of their former layouts (torchao/quantization, torchao/dtypes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.decode.quantized import one_weight
from lineage.checkpoints.decode.quantized.scaled import TYPES
from lineage.checkpoints.formats.torch.tensors import Composed, Cut, Leaf, Tensor, Unread, is_size
from lineage.checkpoints.io.dtypes import TORCH
from lineage.checkpoints.wire.unpickler import Foreign, Global
from lineage.types import TensorView
from lineage.types.facts.exclusions import UnreadWrapper

_CODES = ("qdata", "int_data", "float8_data")
_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
_INNER = ("tensor_impl", "original_weight_tensor", "layout_tensor")


def wrapped(kind: Any, arguments: tuple[Any, ...], state: Any) -> Leaf:
    """Take the class, the arguments of the function and the attributes; a class that is not known stays unread."""
    shape = arguments[2] if len(arguments) > 2 else None
    if not isinstance(kind, Global) or not isinstance(shape, tuple) or not all(is_size(side) for side in shape):
        raise TypeError("a wrapped tensor without class and shape")
    held = _attributes(state)
    if isinstance(held.get("_local_tensor"), Tensor):
        return _part(held["_local_tensor"], shape, held.get("_spec"))
    for inner in (held.get(name) for name in _INNER):
        if isinstance(inner, Composed) and inner.shape == shape:
            return inner
    return _torchao(shape, held) or Unread(UnreadWrapper(kind.name.rpartition(".")[2]), math.prod(shape))


def _attributes(state: Any) -> Mapping[Any, Any]:
    """The attributes of an object: a dictionary, or one and another of its slots."""
    parts = state if isinstance(state, tuple) else (state,)
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}


def _torchao(shape: tuple[int, ...], held: Mapping[Any, Any]) -> Composed | None:
    """Weights of one number each with their scales, or int4 in pairs; None for what is packed for a kernel."""
    codes = next((held[name] for name in _CODES if isinstance(held.get(name), Tensor)), None)
    scale, zero = held.get("scale"), held.get("zero_point")
    if codes is None or not isinstance(scale, Tensor) or len(shape) != len(codes.shape):
        return None
    kind, of_zero = (TORCH.get(part.kind) if isinstance(part, Tensor) else None for part in (codes, zero))
    is_float = of_zero is not None and of_zero.kind not in "iu"
    pairs = is_float and len(shape) == 2 and (shape[0], shape[1] // 2) == codes.shape and kind in _BYTES
    plain = not is_float and codes.shape == shape and kind is not None and kind.name in TYPES
    if not pairs and not plain:
        return None
    parts = {"qdata": codes, "scale": scale} | ({"zero_point": zero} if isinstance(zero, Tensor) else {})

    def build(path: Path, name: str, views: Mapping[str, TensorView]) -> TensorView:
        module, dot, parameter = name.rpartition(".")
        stem = f"{module}{dot}_{parameter}_"
        return one_weight(path, {stem + part: replace(view, name=stem + part) for part, view in views.items()})

    return Composed(shape, parts, build)


def _part(local: Tensor, shape: tuple[int, ...], spec: Any) -> Tensor:
    if local.shape == shape:
        return local
    offsets = list((0,) * len(shape))
    lengths = list(shape)
    axes = _placed(spec)
    for dim, size, index in axes or ():
        if dim >= len(shape):
            return replace(local, cut=Cut(shape, None))
        chunk = -(-lengths[dim] // size)
        offsets[dim] += min(chunk * index, lengths[dim])
        lengths[dim] = max(0, min(chunk, lengths[dim] - chunk * index))
    fits = axes is not None and tuple(lengths) == local.shape
    return replace(local, cut=Cut(shape, tuple(offsets) if fits else None))


def _placed(spec: Any) -> list[tuple[int, int, int]] | None:
    """For each axis of the mesh that cuts the tensor: which axis it cuts, in how many, and which part this is."""
    described = spec.state if isinstance(spec, Foreign) and isinstance(spec.state, dict) else {}
    mesh = described.get("mesh")
    held = mesh.state if isinstance(mesh, Foreign) and isinstance(mesh.state, dict) else {}
    placements, sizes, indices = described.get("placements"), _mesh_shape(held), held.get("_coordinate_on_dim")
    if not isinstance(placements, tuple | list) or not isinstance(indices, tuple | list) or sizes is None:
        return None
    if not len(placements) == len(sizes) == len(indices) or not all(is_size(index) for index in indices):
        return None
    found: list[tuple[int, int, int]] = []
    for placement, size, index in zip(placements, sizes, indices, strict=True):
        name = placement.name.rpartition(".")[2] if isinstance(placement, Foreign) else ""
        dim = placement.state.get("dim") if name == "Shard" and isinstance(placement.state, dict) else None
        if name == "Shard" and is_size(dim):
            found.append((dim, size, index))
        elif name != "Replicate":
            return None
    return found


def _mesh_shape(mesh: Mapping[Any, Any]) -> tuple[int, ...] | None:
    """How many ranks each axis of the mesh has: the shape of its tensor, or, since torch 2.10, of its layout."""
    if isinstance(mesh.get("mesh"), Tensor):
        return tuple(mesh["mesh"].shape)
    layout = mesh.get("_layout")
    held = layout.state if isinstance(layout, Foreign) and isinstance(layout.state, dict) else {}
    axes = held.get("axes", ())
    shapes = [axis.state.get("shape") for axis in axes if isinstance(axis, Foreign) and isinstance(axis.state, dict)]
    sizes = [shape if isinstance(shape, tuple) else (shape,) for shape in shapes or held.get("shape", ())]
    if not sizes or not all(is_size(side) and side for size in sizes for side in size):
        return None
    return tuple(math.prod(size) for size in sizes)
