"""Names for the constants of an IR: those of the model before its conversion, where the graph shows them."""

from __future__ import annotations

import re
from typing import NamedTuple

from lineage.checkpoints.formats.onnx.names import is_anonymous

# What OpenVINO itself calls a constant: by its number, or by the operation of torch that it was made for.
_ANONYMOUS = re.compile(r"[A-Z]\w*?_\d+(?:_\w+)?|[^/]*/.*aten::.*|\d+")
_MODULE = re.compile(r"__module\.([\w.]+)/")
_SCOPE = re.compile(r"/((?:[\w.]+/)+)[\w.]+")
_ENDINGS = re.compile(r"(?:_compressed|/fq_weights_\d+|/quantized)+$")
_READS_WEIGHT = {
    "Convolution": 1, "GroupConvolution": 1, "ConvolutionBackpropData": 1, "GroupConvolutionBackpropData": 1,
    "MatMul": 1, "Gather": 0,
}  # fmt: skip
_ELEMENTWISE = {"Add": "bias", "Subtract": "bias", "Multiply": "weight"}


class Reading(NamedTuple):
    """The layer that reads a constant, and at which port; `turns` is a product that reads its matrix by rows."""

    type: str
    name: str
    port: int
    turns: bool

    @property
    def is_elementwise(self) -> bool:
        """Whether it adds or multiplies place by place."""
        return self.type in _ELEMENTWISE


def named(name: str, rank: int, reading: Reading) -> tuple[str, bool]:
    """The name of a weight of `rank` axes, and whether it is a matrix that the conversion from ONNX transposed."""
    plain = _ENDINGS.sub("", name)
    anonymous = is_anonymous(plain)
    if not anonymous and not _ANONYMOUS.fullmatch(plain):
        return plain.removeprefix("self."), False
    leaf = "weight" if _READS_WEIGHT.get(reading.type) == reading.port else _ELEMENTWISE.get(reading.type)
    module = _MODULE.match(plain) or _MODULE.match(reading.name)
    if leaf is None:
        return plain, False
    if module is not None:
        return f"{module[1]}.{leaf}", False
    scope = _SCOPE.fullmatch(reading.name)
    if scope is None:
        return plain, False
    turned = anonymous and reading.type == "MatMul" and leaf == "weight" and rank == 2 and not reading.turns
    return f"{scope[1].rstrip('/').replace('/', '.')}.{leaf}", turned
