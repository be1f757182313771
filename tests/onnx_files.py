"""ONNX files written from the format's definition, well-formed or not."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13, "bfloat16": 16,
}  # fmt: skip
_TYPED = {"float32": 4, "int64": 7, "float64": 10, "uint64": 11, "uint32": 11}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: int | float | str | bytes) -> bytes:
    """A varint, a 32-bit float, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, array: np.ndarray, *, typed: bool = False, packed: bool = True, external: Any = None) -> bytes:
    """A TensorProto: raw, in the field of its type (packed or one by one), or beside the file."""
    kind = array.dtype.name
    head = b"".join(field(1, side) for side in array.shape) + field(2, TYPES[kind])
    if external is not None:
        entries = b"".join(field(13, field(1, key) + field(2, str(value))) for key, value in external.items())
        return head + field(8, name) + entries + field(14, 1)
    if not typed:
        return head + field(8, name) + field(9, array.astype(array.dtype.newbyteorder("<")).tobytes())
    number = _TYPED.get(kind, 5)
    wide = array.view(np.uint16) if kind in {"float16", "bfloat16"} else array
    if number in {4, 10}:
        parts = [struct.pack("<f" if number == 4 else "<d", float(x)) for x in wide.reshape(-1)]
        tag = varint(number << 3 | (5 if number == 4 else 1))
    else:
        parts = [varint(int(x)) for x in wide.reshape(-1)]
        tag = varint(number << 3)
    return (
        head + (field(number, b"".join(parts)) if packed else b"".join(tag + part for part in parts)) + field(8, name)
    )


def node(
    op: str,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    name: str = "",
    **attributes: int | bytes | np.ndarray,
) -> bytes:
    """A NodeProto; an attribute is an integer, a tensor or the bytes of a graph."""
    out = b"".join(field(1, value) for value in inputs) + b"".join(field(2, value) for value in outputs)
    out += field(3, name) + field(4, op)
    for key, value in attributes.items():
        if isinstance(value, int):
            out += field(5, field(1, key) + field(3, value) + field(20, 2))
        elif isinstance(value, bytes):
            out += field(5, field(1, key) + field(6, value) + field(20, 5))
        else:
            out += field(5, field(1, key) + field(5, tensor("", value)) + field(20, 4))
    return out


def graph(nodes: Iterable[bytes] = (), initializers: Iterable[bytes] = ()) -> bytes:
    """A GraphProto."""
    return (
        b"".join(field(1, each) for each in nodes)
        + field(2, "main")
        + b"".join(field(5, each) for each in initializers)
    )


def model(content: bytes) -> bytes:
    """A ModelProto around a graph, its fields in the order that every library writes."""
    return field(1, 8) + field(2, "lineage") + field(7, content) + field(8, field(1, "") + field(2, 17))


def save(path: Path, nodes: Iterable[bytes] = (), initializers: Iterable[bytes] = ()) -> Path:
    path.write_bytes(model(graph(nodes, initializers)))
    return path


def write_onnx(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    return save(folder / "net.onnx", (), [tensor(name, array) for name, array in arrays.items()])


def write_onnx_typed(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Values in the repeated fields of their type: half precision and narrow integers as varints."""
    return save(folder / "net.onnx", (), [tensor(name, array, typed=True) for name, array in arrays.items()])


def write_onnx_constants(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Constant nodes, every second one inside the branch of an If."""
    nodes = [node("Constant", (), [name], value=array) for name, array in arrays.items()]
    branch = graph(nodes[1::2])
    return save(folder / "net.onnx", [*nodes[::2], node("If", ["flag"], ["y"], "choice", then_branch=branch)])


def write_onnx_external(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """All values in one file beside the model, each at a multiple of 64 bytes."""
    data, initializers = b"", []
    for name, array in arrays.items():
        data += bytes(-len(data) % 64)
        place = {"location": "net.onnx_data", "offset": len(data), "length": array.nbytes}
        initializers.append(tensor(name, array, external=place))
        data += array.tobytes()
    (folder / "net.onnx_data").write_bytes(data)
    return save(folder / "net.onnx", (), initializers)
