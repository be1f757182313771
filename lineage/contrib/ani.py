"""One member of an ANI ensemble as NeuroChem writes it: a network for each element, values as raw float32 files.

`ANN-<element>.nnf` holds a length, "=", a line feed and bzip2 text that describes the layers; weights (out, in) and
biases lie in files that it names. The layout is the one that `torchani.neurochem.load_atomic_network` (torchani 1.2)
reads.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted, reason
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights, Truncated
from lineage.types import TensorView

MAX_TEXT = 1 << 20  # bytes of one description, before and after it is inflated
MAX_NETWORKS = 128
_HEAD = re.compile(rb"\d{1,9}=\nBZh")
_NETWORK = re.compile(r"ANN-(\w{1,16})\.nnf")
_LAYER = re.compile(r"layer\s*\[(.*?)\n\]", re.DOTALL)
_INTEGER = re.compile(r"(\w{1,32})\s*=\s*(\d{1,9})\s*;")
_FILE = re.compile(r"(\w{1,32})\s*=\s*FILE\s*:\s*([\w.-]{1,200})\s*\[\s*(\d{1,12})\s*\]\s*;")
_FLOAT: np.dtype[Any] = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One linear layer: its sizes and the names of its two files."""

    outputs: int
    inputs: int
    weights: str
    biases: str


class AniReader:
    """One member: any of its .nnf files stands for all that lie beside it."""

    def recognises(self, head: bytes) -> bool:
        """A length and the magic string of bzip2."""
        return _HEAD.match(head) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List `<element>.<layer>.weight` and `.bias`, elements in alphabetical order, layers from the input on."""
        beside = [name for name in file.folder.files() if _NETWORK.fullmatch(name)][:MAX_NETWORKS]
        networks = beside if file.path.name in beside else [file.path.name]
        opened: dict[str, PositionedFile] = {}
        tensors = [view for name in networks for view in _network(file, name, opened)]
        held = sum(other.size for name, other in opened.items() if name != file.path.name)
        return Contents("ani", tuple(tensors), beside=held)


def _network(file: PositionedFile, name: str, opened: dict[str, PositionedFile]) -> Iterator[TensorView]:
    match = _NETWORK.fullmatch(name)
    element = match[1] if match else file.path.stem
    opened[name] = described = file if name == file.path.name else file.folder.open(name)
    for number, layer in enumerate(_layers(described)):
        for leaf, shape, values in (
            ("weight", (layer.outputs, layer.inputs), layer.weights),
            ("bias", (layer.outputs,), layer.biases),
        ):
            yield _floats(described, f"{element}.{number}.{leaf}", shape, values, opened)


def _layers(file: PositionedFile) -> list[_Layer]:
    """The layers that a description lists. Raises Malformed."""
    packed = read(file, 0, min(file.size, MAX_TEXT)).partition(b"=\n")[2]
    machine = bz2.BZ2Decompressor()
    try:
        text = machine.decompress(packed, MAX_TEXT).decode("ascii")
    except (OSError, ValueError) as error:
        raise Malformed(file.path, f"its description is damaged: {reason(error)}") from error
    if not machine.eof:
        raise Truncated(file.path, f"its description ends too early, or is longer than {MAX_TEXT:,} bytes")
    layers = [_layer(file, block) for block in _LAYER.findall(text)]
    if not layers:
        raise Malformed(file.path, "its description lists no layers")
    return layers


def _layer(file: PositionedFile, block: str) -> _Layer:
    sizes = {name: int(value) for name, value in _INTEGER.findall(block)}
    files = {name: (values, int(count)) for name, values, count in _FILE.findall(block)}
    if not {"nodes", "blocksize"} <= sizes.keys() or not {"weights", "biases"} <= files.keys():
        raise Malformed(file.path, "a layer of its description lacks its sizes or its files")
    layer = _Layer(sizes["nodes"], sizes["blocksize"], files["weights"][0], files["biases"][0])
    if (files["weights"][1], files["biases"][1]) != (layer.outputs * layer.inputs, layer.outputs):
        raise Malformed(file.path, f"{quoted(layer.weights)} does not hold {layer.outputs} x {layer.inputs} weights")
    return layer


def _floats(
    file: PositionedFile, name: str, shape: tuple[int, ...], values: str, opened: dict[str, PositionedFile]
) -> TensorView:
    check_name(file.path, name)
    if not file.folder.holds(values):
        raise NoWeights(file.path, f"its values {quoted(values)} are missing: give the whole folder")
    held = opened.setdefault(values, file.folder.open(values))
    need = count_elements(file.path, name, shape) * _FLOAT.itemsize
    if held.size != need:
        kind = Truncated if held.size < need else Malformed
        raise kind(held.path, f"has {held.size:,} bytes, {quoted(name)} needs {need:,}: download it again")
    return dense(name, Place(held, 0, shape, _FLOAT), values)
