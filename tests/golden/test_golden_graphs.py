"""Small files that the formats' own libraries wrote (onnx, ONNX Runtime, Keras, TensorFlow): what they hold is read.

The truth files hold the parameters of the model that was written, kernels and gates in the order of torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from tests.checkpoint_files import whole

FOLDER = Path(__file__).parent / "checkpoints"
# Keras names a layer by its class in an archive; the converter to TFLite puts the model in front.
PARTS = {"conv2d": "first", "depthwise_conv2d": "middle", "depthwise": "middle", "dense": "last"}


def truth(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / name) as held:
        return dict(held)


def read(name: str) -> tuple[dict[str, np.ndarray], set[str]]:
    """Values by a name that all files share, and how they are kept."""
    checkpoint = open_checkpoint(FOLDER / name)
    found = {}
    for full, array in whole(checkpoint).items():
        *_, module, leaf = full.replace("depthwise_weight", "weight").replace("/", ".").split(".")
        found[f"{PARTS.get(module, module.removesuffix('_1'))}.{leaf}"] = array
    return found, {view.encoding or view.dtype.name for view in checkpoint.tensors}


@pytest.mark.parametrize("name", ["tiny.keras", "tiny.h5", "tiny.ckpt.index"])
def test_a_model_of_keras(name: str) -> None:
    found, kinds = read(name)
    assert found.keys() == truth("tiny_keras_truth.npz").keys()
    for key, array in truth("tiny_keras_truth.npz").items():
        assert np.array_equal(found[key], array)
    assert kinds == {"float32"}


@pytest.mark.parametrize(
    ("name", "kinds", "error"),
    [
        ("tiny_fp16.tflite", {"float16"}, 0.001),
        ("tiny_int8.tflite", {"tflite int8 per-channel", "tflite int32 per-channel"}, 0.01),
    ],
)
def test_a_model_of_tflite(name: str, kinds: set[str], error: float) -> None:
    found, kept = read(name)
    assert kept == kinds
    for key, array in truth("tiny_keras_truth.npz").items():
        turned = array.T if key == "last.kernel" else array  # TFLite has (out, in)
        values = found[key.replace("kernel", "weight")].astype(np.float32)
        assert values.shape == turned.shape
        assert np.abs(values - turned).max() <= error * np.abs(turned).max()


def test_a_model_of_onnx() -> None:
    found, kinds = read("tiny.onnx")
    assert found.keys() == truth("tiny_onnx_truth.npz").keys()
    for key, array in truth("tiny_onnx_truth.npz").items():
        assert np.array_equal(found[key], array)
    assert kinds == {"float32"}


def test_a_model_quantised_by_onnx_runtime() -> None:
    found, kinds = read("tiny_int8.onnx")
    assert kinds == {"float32", "onnx int8 per-channel", "onnx int8 per-tensor"}
    for key, array in truth("tiny_onnx_truth.npz").items():
        assert np.abs(found[key] - array).max() <= 0.01 * np.abs(array).max()
