"""Core ML models written from the format's definition: ML programs in their packages, and neural networks."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.onnx_files import field, varint

TYPES = {"bool": 1, "float16": 10, "float32": 11, "float64": 12, "int8": 21, "int32": 23, "uint8": 31, "uint4": 35}
STORED = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4, "uint4": 11}


def description() -> bytes:
    """A ModelDescription with one input."""
    return field(1, field(1, "x") + field(3, field(5, b"\x0a\x01\x01")))


def model(kind: int, body: bytes, version: int = 7) -> bytes:
    """A Model of that kind: 500 a neural network, 502 an ML program."""
    return field(1, version) + field(2, description()) + field(kind, body)


# -- ML programs -------------------------------------------------------------------------------


class Blobs:
    """The weight.bin of a program."""

    def __init__(self) -> None:
        self.content = struct.pack("<II56x", 0, 2)

    def add(self, data: bytes, kind: int = 2) -> int:
        """Put values in; the offset of their record."""
        offset = len(self.content)
        self.content += struct.pack("<IIQQ40x", 0xDEADBEEF, kind, len(data), offset + 64) + data
        self.content += bytes(-len(self.content) % 64)
        return offset


def tensor_type(kind: str, shape: Sequence[int]) -> bytes:
    """A ValueType of a tensor."""
    sides = b"".join(field(3, field(1, field(1, side))) for side in shape)
    return field(1, field(1, TYPES[kind]) + field(2, len(shape)) + sides)


def in_blob(kind: str, shape: Sequence[int], offset: int, name: str = "@model_path/weights/weight.bin") -> bytes:
    """A Value that lies in the blob file."""
    return field(2, tensor_type(kind, shape)) + field(5, field(1, name) + field(2, offset))


def immediate(kind: str, shape: Sequence[int], values: Sequence[float] | bytes) -> bytes:
    """A Value among the operations."""
    if isinstance(values, bytes):
        held = field(7, field(1, values))
    elif kind == "float32":
        held = field(1, field(1, struct.pack(f"<{len(values)}f", *values)))
    else:
        held = field(3 if kind == "bool" else 2, field(1, b"".join(varint(int(x)) for x in values)))
    return field(2, tensor_type(kind, shape)) + field(3, field(1, held))


def const(name: str, value: bytes) -> bytes:
    """An Operation `const`."""
    return operation("const", name, attributes={"val": value})


def operation(
    kind: str,
    output: str,
    inputs: Mapping[str, str | bytes] | None = None,
    attributes: Mapping[str, bytes] | None = None,
    inner: bytes = b"",
) -> bytes:
    """An Operation; an input is the name of a value, or a Value."""
    bound = b""
    for key, value in (inputs or {}).items():
        binding = field(1, value) if isinstance(value, str) else field(2, value)
        bound += field(2, field(1, key) + field(2, field(1, binding)))
    given = b"".join(field(5, field(1, key) + field(2, value)) for key, value in (attributes or {}).items())
    return field(1, kind) + bound + field(3, field(1, output)) + (field(4, inner) if inner else b"") + given


def program(operations: Sequence[bytes], functions: int = 1) -> bytes:
    """A Program of one function, or of several that are alike."""
    block = b"".join(field(3, one) for one in operations)
    function = field(3, field(1, "CoreML6") + field(2, block))
    return field(1, 1) + b"".join(field(2, field(1, f"main{i}") + field(2, function)) for i in range(functions))


def package(folder: Path, operations: Sequence[bytes], blobs: Blobs, functions: int = 1) -> Path:
    """An .mlpackage; its path."""
    home = folder / "net.mlpackage" / "Data" / "com.apple.CoreML"
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "weight.bin").write_bytes(blobs.content)
    (home / "model.mlmodel").write_bytes(model(502, program(operations, functions)))
    return folder / "net.mlpackage"


def write_mlpackage(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    blobs = Blobs()
    operations = []
    for name, array in arrays.items():
        kind = array.dtype.name
        offset = blobs.add(array.tobytes(), STORED[kind])
        operations.append(const(name, in_blob(kind, array.shape, offset)))
    return package(folder, operations, blobs)


# -- neural networks ---------------------------------------------------------------------------

CONVOLUTION, PRODUCT = 100, 140


def plain(array: np.ndarray) -> bytes:
    """WeightParams of float32 or float16."""
    return field(1 if array.dtype == np.float32 else 2, array.tobytes())


def layer(name: str, kind: int, body: bytes) -> bytes:
    """A NeuralNetworkLayer, as a field of the network."""
    return field(1, field(1, name) + field(kind, body))


def product(name: str, weights: bytes, shape: tuple[int, int], bias: bytes = b"") -> bytes:
    out, inner = shape
    body = field(1, inner) + field(2, out) + (field(10, 1) if bias else b"") + field(20, weights)
    return layer(name, PRODUCT, body + (field(21, bias) if bias else b""))


def convolution(name: str, weights: bytes, shape: tuple[int, ...]) -> bytes:
    out, inner, *kernel = shape
    sides = field(20, b"".join(map(varint, kernel)))
    return layer(name, CONVOLUTION, field(1, out) + field(2, inner) + field(10, 1) + sides + field(90, weights))


def write_mlmodel(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """A neural network: a matrix is a product, anything else a convolution; one axis is a bias."""
    layers = []
    for name, array in arrays.items():
        stem = name.removesuffix(".weight")
        if array.ndim == 1:
            layers.append(layer(name.removesuffix(".bias"), 250, field(1, varint(array.size)) + field(2, plain(array))))
        elif array.ndim == 2:
            layers.append(product(stem, plain(array), array.shape))
        else:
            layers.append(convolution(stem, plain(array), array.shape))
    path = folder / "net.mlmodel"
    path.write_bytes(model(500, b"".join(layers)))
    return path
