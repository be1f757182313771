"""Flax parameters in MessagePack: nested dictionaries whose leaves are arrays.

Format: https://github.com/google/flax/blob/main/flax/serialization.py: an array is an extension of type 1 that holds
its shape, its type and its bytes; one of more than 2**30 bytes is a dictionary of chunks. A kernel is (in, out) or
(height, width, in, out); names and order are brought to those of torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lineage.checkpoints.decode.biases import Shape
from lineage.checkpoints.decode.kernel_layout import Layout, torch_layout
from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.decode.rearranged import row_major
from lineage.checkpoints.io.byte_sources import Joined
from lineage.checkpoints.io.bytes import ByteSource, Window
from lineage.checkpoints.io.dtypes import TORCH
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, strided
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.msgpack import Bytes, MsgpackFile
from lineage.errors import Malformed, UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView

ARRAY, SCALAR = 1, 3  # types of extensions
_CHUNKED = "__msgpack_chunked_array__"
_KERNEL = re.compile(r"(?:.*\.)?kernel")
_WEIGHT = re.compile(r"(?<=\.)(?:embedding|scale)$")


class _Array(NamedTuple):
    """Shape, name of the type, and the values."""

    shape: tuple[int, ...]
    kind: str
    values: ByteSource


def read_flax(file: MsgpackFile, tree: Mapping[str, Any]) -> Contents:
    """List the arrays of a tree of parameters. Raises UnsupportedFormat without any."""
    while set(tree) == {"params"} and isinstance(tree["params"], dict):
        tree = tree["params"]
    arrays = dict(_leaves(file, (), tree))
    if not arrays:
        raise UnsupportedFormat(file.source.path, "is a MessagePack file without arrays of flax")
    shapes = {name: array.shape for name, array in arrays.items()}
    views = [_view(file, name, array, shapes) for name, array in arrays.items()]
    tensors, left_out = set_aside(views)
    return Contents("flax", tensors, left_out)


def _leaves(file: MsgpackFile, where: tuple[str, ...], value: Any) -> Iterator[tuple[str, _Array]]:
    if isinstance(value, Bytes) and value.code in {ARRAY, SCALAR}:
        yield ".".join(where), _array(file, value)
    elif isinstance(value, dict) and _CHUNKED in value:
        yield ".".join(where), _chunked(file, value)
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(file, (*where, str(key)), inner)


def _array(file: MsgpackFile, place: Bytes) -> _Array:
    parts = file.inside(place)
    if not isinstance(parts, list) or len(parts) != 3:
        raise Malformed(file.source.path, f"the array at byte {place.start:,} has no shape, type and values")
    shape, kind, values = parts
    if not isinstance(shape, list) or not all(map(_is_size, shape)) or not isinstance(values, Bytes):
        raise Malformed(file.source.path, f"the array at byte {place.start:,} has no shape or values")
    return _Array(tuple(shape), str(kind), Window(file.source, values.start, values.size))


def _chunked(file: MsgpackFile, value: Mapping[str, Any]) -> _Array:
    """An array whose values, one after the other, are those of several."""
    shape, chunks = value.get("shape"), value.get("chunks")
    if not isinstance(shape, dict) or not isinstance(chunks, dict) or not all(map(_is_size, shape.values())):
        raise Malformed(file.source.path, "an array in chunks has no shape or chunks")
    ordered = [chunks[key] for key in sorted(chunks, key=lambda key: (len(key), key))]
    if not ordered or not all(isinstance(chunk, Bytes) for chunk in ordered):
        raise Malformed(file.source.path, "an array in chunks has a chunk that is not an array")
    arrays = [_array(file, chunk) for chunk in ordered]
    sides = tuple(shape[key] for key in sorted(shape, key=lambda key: (len(key), key)))
    return _Array(sides, arrays[0].kind, Joined(file.source.path, [array.values for array in arrays]))


def _view(file: MsgpackFile, name: str, array: _Array, shapes: Mapping[str, Shape]) -> TensorView:
    path = file.source.path
    name = name or "tensor"
    check_name(path, name)
    if f"torch.{array.kind}" not in TORCH:
        raise UnsupportedDtype(path, f"array {quoted(name)} has dtype {quoted(array.kind)}, unknown here")
    dtype = TORCH[f"torch.{array.kind}"]
    if count_elements(path, name, array.shape) * dtype.itemsize != array.values.size:
        raise Malformed(path, f"array {quoted(name)} of shape {array.shape} has {array.values.size:,} bytes")
    layout = _layout(name, array.shape, shapes)
    place = Place(array.values, 0, layout.shape, dtype)
    return strided(_WEIGHT.sub("weight", layout.name), place, layout.strides, f"{path.name}/{name}")


def _layout(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> Layout:
    """A tensor called kernel is transposed: a matrix, and by the rules of the TensorFlow family a convolution."""
    if _KERNEL.fullmatch(name) is None:
        return Layout(name, shape, row_major(shape))
    layout = torch_layout(name, shape, shapes)
    if len(shape) != 2:
        return layout
    return Layout(f"{name.removesuffix('kernel')}weight", shape[::-1], (1, shape[1]))


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
