"""OpenVINO IR written from the format's definition, well-formed or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

TYPES = {
    "float32": "f32", "float16": "f16", "float64": "f64", "bfloat16": "bf16", "int8": "i8", "uint8": "u8",
    "int64": "i64", "int32": "i32", "bool": "boolean",
}  # fmt: skip


@dataclass
class Net:
    """Collects layers, edges and values."""

    layers: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    values: bytearray = field(default_factory=bytearray)

    def layer(self, name: str, kind: str, inputs: Sequence[int] = (), sides: Sequence[int] = (), **data: str) -> int:
        """Add a layer that reads others, and give its number."""
        number = len(self.layers)
        dims = "".join(f"<dim>{side}</dim>" for side in sides)
        given = "".join(f" {key}={quoteattr(value)}" for key, value in data.items())
        self.layers.append(
            f'<layer id="{number}" name={quoteattr(name)} type="{kind}"><data{given}/>'
            f'<output><port id="9">{dims}</port></output></layer>'
        )
        self.edges += [
            f'<edge from-layer="{source}" from-port="9" to-layer="{number}" to-port="{port}"/>'
            for port, source in enumerate(inputs)
            if source >= 0
        ]
        return number

    def constant(self, name: str, array: np.ndarray, /, **changes: str) -> int:
        """Add a constant of the type of an array."""
        return self.packed(name, array.shape, TYPES[array.dtype.name], np.ascontiguousarray(array).tobytes(), **changes)

    def packed(self, name: str, shape: Sequence[int], kind: str, content: bytes, /, **changes: str) -> int:
        """Add a constant of whatever bytes."""
        said = {
            "element_type": kind, "shape": ", ".join(map(str, shape)), "offset": str(len(self.values)),
            "size": str(len(content)),
        }  # fmt: skip
        self.values += content
        return self.layer(name, "Const", (), shape, **said | changes)

    def xml(self, version: str = "11", before: str = "") -> bytes:
        layers, edges = "".join(self.layers), "".join(self.edges)
        return (
            f'<?xml version="1.0"?>\n{before}<net name="net" version="{version}">'
            f"<layers>{layers}</layers><edges>{edges}</edges></net>"
        ).encode()

    def write(self, folder: Path, name: str = "net") -> Path:
        (folder / f"{name}.xml").write_bytes(self.xml())
        (folder / f"{name}.bin").write_bytes(self.values)
        return folder / f"{name}.xml"


def write_openvino(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    net = Net()
    for name, array in arrays.items():
        net.layer("product", "MatMul", [-1, net.constant(name, array)], transpose_b="true")
    return net.write(folder)
