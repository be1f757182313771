"""Models whose values lie without a header beside a text that describes them: raw files, ncnn, ANI."""

from __future__ import annotations

import bz2
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_raw(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    tensors = [{"name": name, "shape": list(a.shape), "dtype": a.dtype.name} for name, a in arrays.items()]
    (folder / "net.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    (folder / "net.json").write_text(json.dumps({"tensors": tensors}))
    return folder / "net.json"


# -- ncnn --------------------------------------------------------------------------------------

HALF, INTEGER = 0x01306B47, 0x000D4B38


def tagged(array: np.ndarray) -> bytes:
    """Values behind the tag that gives their type, filled up to four bytes."""
    tag = {"float16": HALF, "int8": INTEGER}.get(array.dtype.name, 0)
    data = array.tobytes()
    return struct.pack("<I", tag) + data + bytes(-len(data) % 4)


def param(layers: list[str], count: int | None = None) -> str:
    """The text of a model."""
    lines = ["7767517", f"{len(layers) if count is None else count} 1", *layers]
    return "\n".join(lines) + "\n"


def ncnn_model(folder: Path, layers: list[str], values: bytes) -> Path:
    (folder / "net.bin").write_bytes(values)
    (folder / "net.param").write_text(param(layers))
    return folder / "net.param"


def write_ncnn(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """A matrix is an InnerProduct, three axes a Convolution1D, one axis a PReLU."""
    layers = ["Input data 0 1 data 0=4"]
    values = b""
    for name, array in arrays.items():
        stem = name.removesuffix(".weight")
        if array.ndim == 2:
            layers.append(f"InnerProduct {stem} 1 1 data out 0={len(array)} 1=0 2={array.size}")
            values += tagged(array)
        elif array.ndim == 3:
            layers.append(f"Convolution1D {stem} 1 1 data out 0={len(array)} 1={array.shape[2]} 5=0 6={array.size}")
            values += tagged(array)
        else:
            layers.append(f"PReLU {stem} 1 1 data out 0={array.size}")
            values += array.astype("<f4").tobytes()
    return ncnn_model(folder, layers, values)


# -- ANI ---------------------------------------------------------------------------------------


def nnf(layers: list[tuple[int, int, str, str]], *, weights: int | None = None) -> bytes:
    """The description of layers (outputs, inputs, file of weights, file of biases)."""
    text = "!InputFile for Force Prediction Network\nnetwork_setup [\n"
    for out, inner, weight_file, bias_file in layers:
        count = out * inner if weights is None else weights
        text += f"layer [\nnodes={out};\nactivation=5;\nbtype=1;\nweights=FILE:{weight_file}[{count}];\n"
        text += f"biases=FILE:{bias_file}[{out}];\nblocksize={inner};\n]\n"
    packed = bz2.compress((text + "]\n").encode())
    return f"{len(packed)}=\n".encode() + packed


def write_ani(folder: Path, networks: Mapping[str, list[tuple[np.ndarray, np.ndarray]]]) -> Path:
    """One member: for each element its layers of weights and biases."""
    for element, layers in networks.items():
        lines = []
        for number, (weight, bias) in enumerate(layers):
            names = [f"ANN-{element}.nnf-l{number}.{kind}param" for kind in "wb"]
            for name, array in zip(names, (weight, bias), strict=True):
                (folder / name).write_bytes(array.astype("<f4").tobytes())
            lines.append((*weight.shape, *names))
        (folder / f"ANN-{element}.nnf").write_bytes(nnf(lines))
    return folder
