"""A network of convolutions against its tuned copy and an unrelated one, however its kernels are named and ordered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.types import Relation
from tests.checkpoint_files import sketched, write_npz, write_safetensors, write_torch
from tests.tensorflow_files import bundle
from tests.tflite_files import operator, quantization, tensor, tflite

Arrays = dict[str, np.ndarray]
# Units made and read, places, and whether a layer works on every channel alone.
LAYERS = [(48, 3, 3, False), (48, 48, 3, True), (64, 48, 1, False), (64, 64, 3, False), (10, 64, 1, False)]
CONV, DEPTHWISE = 3, 4  # operators of TFLite


def network(seed: int) -> Arrays:
    """As torch keeps it."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for number, (made, read, side, alone) in enumerate(LAYERS, start=1):
        shape = (made, 1 if alone else read, side, side)
        arrays[f"{number}.w"] = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        arrays[f"{number}.b"] = (0.1 * rng.standard_normal(made)).astype(np.float32)
    return arrays


def tuned(arrays: Arrays) -> Arrays:
    rng = np.random.default_rng(77)
    return {n: (a + 0.1 * a.std() * rng.standard_normal(a.shape)).astype(np.float32) for n, a in arrays.items()}


def last(kernel: np.ndarray) -> np.ndarray:
    alone = kernel.shape[1] == 1
    return np.ascontiguousarray(kernel.transpose(2, 3, 0, 1) if alone else kernel.transpose(2, 3, 1, 0))


def middle(kernel: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(kernel.transpose(0, 2, 3, 1))


def renamed(arrays: Arrays, pattern: str, order: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    found: Arrays = {}
    for name, array in arrays.items():
        number, leaf = name.split(".")
        kernel, bias = pattern.split()
        found[(kernel if leaf == "w" else bias).format(number)] = order(array) if leaf == "w" else array
    return found


def write_bundle(folder: Path, arrays: Arrays) -> Path:
    return bundle(folder / "net", arrays)


WRITERS = [write_safetensors, write_npz, write_torch]
NAMES = ["f{} b{}", "conv{}.w conv{}.b", "block/{}/filters block/{}/bias", "layer{}.kernel layer{}.bias"]
TORCH = "features.{}.weight features.{}.bias"


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    ("write", "order"), [*((w, o) for w in WRITERS for o in (last, middle, np.array)), (write_bundle, last)]
)
def test_a_tuned_copy_is_told_from_a_stranger(
    write: Callable[[Path, Arrays], Path], order: Callable[[np.ndarray], np.ndarray], names: str, tmp_path: Path
) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    base = sketched(write_safetensors(tmp_path / "a", renamed(network(1), TORCH, np.array)))
    copy = sketched(write(tmp_path / "b", renamed(tuned(network(1)), names, order)))
    stranger = sketched(write(tmp_path / "c", renamed(network(2), names, order)))
    assert compare(copy, base).relation == "fine-tuned"
    assert compare(stranger, base).relation == "independent"
    assert compare(stranger, copy).relation == "independent"


def integers(arrays: Arrays, path: Path, name: str) -> Path:
    """A TFLite model of eight bits, one scale a unit, whose constants have names that say nothing."""
    buffers, tensors, operators = [], [tensor("input", (1, 1), 0, 0)], []
    for number, (_, _, _, alone) in enumerate(LAYERS, start=1):
        kernel = arrays[f"{number}.w"].transpose((1, 2, 3, 0) if alone else (0, 2, 3, 1))
        axis = 3 if alone else 0
        scale = np.abs(kernel).max(axis=tuple(i for i in range(4) if i != axis), keepdims=True) / 127
        buffers.append(np.rint(kernel / scale).astype(np.int8).tobytes())
        packed = quantization(scale.ravel().tolist(), [0] * scale.size, axis)
        tensors.append(tensor(name.format(number), kernel.shape, 9, len(buffers), quantization=packed))
        buffers.append(arrays[f"{number}.b"].tobytes())
        tensors.append(tensor(name.format(50 + number), (len(arrays[f"{number}.b"]),), 0, len(buffers)))
        tensors.append(tensor(f"out{number}", (1, 1), 0, 0))
        end = len(tensors) - 1
        operators.append(operator(1 if alone else 0, [end - 3, end - 2, end - 1], [end]))
    path.write_bytes(tflite(tensors, buffers, operators, [CONV, DEPTHWISE]))
    return path


@pytest.mark.parametrize("name", ["tfl.pseudo_qconst{}", "arith.constant{}", "{}"])
@pytest.mark.parametrize(("seed", "relation"), [(1, "quantized"), (2, "independent")])
def test_a_model_of_integers_and_its_twin_of_floats(name: str, seed: int, relation: Relation, tmp_path: Path) -> None:
    floats = sketched(write_safetensors(tmp_path, renamed(network(1), "f{} b{}", last)))
    assert compare(sketched(integers(network(seed), tmp_path / "net.tflite", name)), floats).relation == relation
