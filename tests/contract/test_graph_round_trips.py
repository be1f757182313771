"""One model written in each format of graphs is recognised: re-encoded or quantised, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.types import CheckpointSketch
from tests.checkpoint_files import sketched, write_torchscript
from tests.onnx_files import node, save, tensor
from tests.tensorflow_files import bundle, hdf5_bytes, tfjs
from tests.tflite_files import TYPES, operator, quantization, tflite
from tests.tflite_files import tensor as lite

Arrays = dict[str, np.ndarray]
CHANNELS = (3, 16, 96, 128)  # the small tensors, which show no levels, are no share that matters
CLASSES = 4
EIGHT_BITS = 0.99


def network(seed: int) -> Arrays:
    """Three convolutions and a head, as torch has them."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for i in range(3):
        arrays[f"conv{i}.weight"] = rng.standard_normal((CHANNELS[i + 1], CHANNELS[i], 3, 3)).astype(np.float32) * 0.1
        arrays[f"conv{i}.bias"] = rng.standard_normal(CHANNELS[i + 1]).astype(np.float32) * 0.1
    arrays["head.weight"] = rng.standard_normal((CLASSES, CHANNELS[3])).astype(np.float32) * 0.1
    arrays["head.bias"] = rng.standard_normal(CLASSES).astype(np.float32)
    return arrays


BASE = network(1)


def as_keras(arrays: Arrays) -> Arrays:
    """Kernels as (height, width, in, out) and (in, out)."""
    return {
        name.replace(".", "/").replace("weight", "kernel"): np.ascontiguousarray(
            array.transpose(*range(2, array.ndim), 1, 0) if array.ndim > 1 else array
        )
        for name, array in arrays.items()
    }


def torchscript(folder: Path, arrays: Arrays) -> Path:
    return write_torchscript(folder, arrays)


def onnx(folder: Path, arrays: Arrays, dtype: type = np.float32) -> Path:
    """As torch exports it: the matrix of the head transposed and without a name."""
    held = {name: array.astype(dtype) for name, array in arrays.items()}
    held["onnx::MatMul_9"] = np.ascontiguousarray(held.pop("head.weight").T)
    nodes = [node("MatMul", ["x", "onnx::MatMul_9"], ["y"]), node("Add", ["y", "head.bias"], ["z"])]
    return save(folder / "net.onnx", nodes, [tensor(name, array) for name, array in held.items()])


def keras(folder: Path, arrays: Arrays) -> Path:
    (folder / "net.h5").write_bytes(hdf5_bytes(as_keras(arrays)))
    return folder / "net.h5"


def checkpoint(folder: Path, arrays: Arrays) -> Path:
    return bundle(folder / "net.ckpt", as_keras(arrays))


def browser(folder: Path, arrays: Arrays, dtype: type = np.float32) -> Path:
    half = {"quantization": {"dtype": "float16"}} if dtype is np.float16 else {}
    stored = {name: array.astype(dtype) for name, array in as_keras(arrays).items()}
    weights = [{"name": n, "shape": list(a.shape), "dtype": "float32"} | half for n, a in stored.items()]
    return tfjs(folder, weights, b"".join(array.tobytes() for array in stored.values()))


def mobile(folder: Path, arrays: Arrays, dtype: type = np.float32) -> Path:
    """Kernels as (out, height, width, in), read by convolutions."""
    stored = {
        name: np.ascontiguousarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array).astype(dtype)
        for name, array in arrays.items()
    }
    tensors = [lite(n, a.shape, TYPES[a.dtype.name], i + 1) for i, (n, a) in enumerate(stored.items())]
    reads = [operator(0, [0, i], [0]) for i, array in enumerate(stored.values()) if array.ndim == 4]
    (folder / "net.tflite").write_bytes(tflite(tensors, [a.tobytes() for a in stored.values()], reads, [3]))
    return folder / "net.tflite"


EXACT: list[Callable[[Path, Arrays], Path]] = [torchscript, onnx, keras, checkpoint, browser, mobile]


@pytest.mark.parametrize("write", EXACT, ids=lambda write: write.__name__)
def test_the_same_values_are_re_encoded_whatever_the_format(
    write: Callable[[Path, Arrays], Path], base: CheckpointSketch, tmp_path: Path
) -> None:
    found = compare(sketched(write(tmp_path, BASE)), base)
    assert found.relation == "re-encoded"
    assert found.verdict == "identical"
    assert (found.evidence.r or 0) > 0.9999


@pytest.mark.parametrize("write", [onnx, browser, mobile], ids=lambda write: write.__name__)
def test_half_precision_is_re_encoded(
    write: Callable[[Path, Arrays, type], Path], base: CheckpointSketch, tmp_path: Path
) -> None:
    found = compare(sketched(write(tmp_path, BASE, np.float16)), base)
    assert (found.relation, found.verdict) == ("re-encoded", "derived")
    assert (found.evidence.r or 0) > 0.999


@pytest.mark.parametrize("write", EXACT, ids=lambda write: write.__name__)
def test_another_model_is_independent(
    write: Callable[[Path, Arrays], Path], base: CheckpointSketch, tmp_path: Path
) -> None:
    assert compare(sketched(write(tmp_path, network(2))), base).relation == "independent"


def codes(array: np.ndarray, *, by_channel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Signed codes of 8 bits and their scales, one for the tensor or one for each output."""
    axes = tuple(range(1, array.ndim)) if by_channel else None
    scale = np.abs(array).max(axis=axes) / 127
    shaped = scale.reshape(-1, *[1] * (array.ndim - 1)) if by_channel else scale
    return np.round(array / shaped).astype(np.int8), np.asarray(scale, np.float32)


def onnx_codes(folder: Path, arrays: Arrays) -> Path:
    nodes, constants = [], []
    for name, array in arrays.items():
        if array.ndim == 1:
            constants.append(tensor(name, array))
            continue
        code, scale = codes(array, by_channel=True)
        constants += [tensor(f"{name}_quantized", code), tensor(f"{name}_scale", scale)]
        inputs = [f"{name}_quantized", f"{name}_scale"]
        nodes.append(node("DequantizeLinear", inputs, [name], axis=0))
    return save(folder / "net.onnx", nodes, constants)


def mobile_codes(folder: Path, arrays: Arrays) -> Path:
    tensors, buffers = [], []
    for name, array in arrays.items():
        lite_order = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        code, scale = codes(lite_order, by_channel=True)
        table = quantization(scale.reshape(-1).tolist(), [0] * scale.size)
        kind = 9 if array.ndim > 1 else 0
        more = {"quantization": table} if array.ndim > 1 else {}
        buffers.append((np.ascontiguousarray(code) if array.ndim > 1 else array).tobytes())
        tensors.append(lite(name, lite_order.shape, kind, len(buffers), **more))
    reads = [operator(0, [0, i], [0]) for i, array in enumerate(arrays.values()) if array.ndim == 4]
    (folder / "net.tflite").write_bytes(tflite(tensors, buffers, reads, [3]))
    return folder / "net.tflite"


def browser_codes(folder: Path, arrays: Arrays) -> Path:
    weights, data = [], b""
    for name, array in as_keras(arrays).items():
        least = float(array.min())
        scale = (float(array.max()) - least) / 255
        data += np.round((array - least) / scale).astype(np.uint8).tobytes()
        stored = {"dtype": "uint8", "scale": scale, "min": least}
        weights.append({"name": name, "shape": list(array.shape), "dtype": "float32", "quantization": stored})
    return tfjs(folder, weights, data)


@pytest.mark.parametrize(
    ("write", "encoding"),
    [
        (onnx_codes, "onnx int8 per-channel"),
        (mobile_codes, "tflite int8 per-channel"),
        (browser_codes, "tfjs uint8 per-tensor"),
    ],
)
def test_codes_of_eight_bits_are_quantised(
    write: Callable[[Path, Arrays], Path], encoding: str, base: CheckpointSketch, tmp_path: Path
) -> None:
    child = sketched(write(tmp_path, BASE))
    assert {t.dtype for t in child.tensors if len(t.shape) > 1} == {encoding}
    found = compare(child, base)
    assert (found.evidence.r or 0) >= EIGHT_BITS
    assert (found.relation, found.verdict, found.direction) == ("quantized", "derived", "child")
