"""Pack one member of an ANI ensemble, as the torchani package ships it, into an .npz checkpoint.

A member is a folder with, for each element, `ANN-<element>.nnf` (the layers: a length line, then bzip2 text) and raw
little-endian float32 files for the weights, row-major (outputs, inputs), and biases of each layer. That layout is the
one that `torchani.neurochem.load_atomic_network` (torchani 1.2) reads.
"""

from __future__ import annotations

import bz2
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_TEXT = 1 << 20
_INT = re.compile(r"(\w+)\s*=\s*(-?\d+)\s*;")
_FILE = re.compile(r"(\w+)\s*=\s*FILE\s*:\s*([\w.-]+)\s*\[\s*(\d+)\s*\]\s*;")


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer of an atomic network: its sizes and the names of its two files."""

    outputs: int
    inputs: int
    weights: str
    biases: str


def pack(member: Path, target: Path) -> None:
    """Write the networks of the folder `member` to the .npz `target`, one step, same input same bytes.

    Arrays are float32 and named `<element>.<layer>.weight` (outputs, inputs) and `<element>.<layer>.bias` (outputs,).
    Raises ValueError if a file does not have the size that its .nnf text states.
    """
    arrays: dict[str, Any] = dict(read(member))
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{os.getpid()}-{target.name}")
    with unfinished.open("wb") as stream:
        np.savez(stream, **arrays)
    unfinished.replace(target)


def read(member: Path) -> dict[str, NDArray[np.float32]]:
    """Return every array of the folder `member` by name, elements in alphabetical order, layers from the input on."""
    arrays = {}
    for network in sorted(member.glob("ANN-*.nnf")):
        element = network.stem.removeprefix("ANN-")
        for position, layer in enumerate(layers(network)):
            weight = _floats(member / layer.weights, layer.outputs * layer.inputs)
            arrays[f"{element}.{position}.weight"] = weight.reshape(layer.outputs, layer.inputs)
            arrays[f"{element}.{position}.bias"] = _floats(member / layer.biases, layer.outputs)
    if not arrays:
        raise ValueError(f"{member}: no ANN-<element>.nnf here")
    return arrays


def layers(network: Path) -> list[Layer]:
    """Return the layers that the text of one .nnf file describes."""
    _, _, packed = network.read_bytes().partition(b"=\n")
    text = bz2.BZ2Decompressor().decompress(packed, LARGEST_TEXT).decode("ascii")
    return [_layer(block) for block in re.findall(r"layer\s*\[(.*?)\n\]", text, re.DOTALL)]


def _layer(block: str) -> Layer:
    sizes = {name: int(value) for name, value in _INT.findall(block)}
    files = {name: (file, int(count)) for name, file, count in _FILE.findall(block)}
    layer = Layer(sizes["nodes"], sizes["blocksize"], files["weights"][0], files["biases"][0])
    if (files["weights"][1], files["biases"][1]) != (layer.outputs * layer.inputs, layer.outputs):
        raise ValueError(f"{layer.weights}: {files} does not hold {layer.outputs} x {layer.inputs} weights")
    return layer


def _floats(path: Path, count: int) -> NDArray[np.float32]:
    if path.stat().st_size != 4 * count:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, {count} float32 expected")
    return np.fromfile(path, dtype="<f4")
