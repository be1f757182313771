"""Small files that the formats' own libraries wrote.

These are coremltools 8, flax, thinc 9, CTranslate2 4, joblib, Equinox 0.13, torch 2.13 (save in both forms,
torch.distributed.checkpoint, torch.export without traces of its source), OpenVINO 2026.4, and TensorFlow 2.21, whose
graphs are frozen as its version 1 and its version 2 do it.

All hold the same weights, which `tiny_formats_truth.npz` keeps as torch would have them, gates of the LSTM excepted:
they are in the order of Core ML. `tiny_frozen_truth.npz` keeps what TensorFlow makes of the codes of a graph,
`tiny_openvino_truth.npz` what OpenVINO's CPU plugin multiplies by.
"""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from tests.checkpoint_files import whole

FOLDER = Path(__file__).parent / "checkpoints"
TRUTH = dict(np.load(FOLDER / "tiny_formats_truth.npz"))


def in_torch_order(gates: np.ndarray) -> np.ndarray:
    """Input, forget, output, cell as input, forget, cell, output."""
    return gates.reshape(4, -1, *gates.shape[1:])[[0, 1, 3, 2]].reshape(gates.shape)


DENSE, BIAS, KERNEL = TRUTH["dense"], TRUTH["bias"], TRUTH["kernel"]
CORE_ML = {
    "conv.weight": KERNEL,
    "dense.weight": DENSE,
    "dense.bias": BIAS,
    "rnn.weight_ih": in_torch_order(TRUTH["weight_ih"]),
    "rnn.weight_hh": in_torch_order(TRUTH["weight_hh"]),
    "rnn.bias": in_torch_order(TRUTH["rnn_bias"]),
}
TORCH = {
    "turned": DENSE.T, "dense.weight": DENSE, "dense.bias": BIAS, "conv.weight": KERNEL,
    "narrow.weight": DENSE.astype(ml_dtypes.bfloat16),
}  # fmt: skip
EXACT = {
    "tiny.msgpack": {
        "Conv_0.weight": KERNEL, "Dense_0.weight": DENSE, "Dense_0.bias": BIAS, "LayerNorm_0.weight": BIAS,
    },
    "tiny.thinc": {name.removeprefix("thinc."): array for name, array in TRUTH.items() if name.startswith("thinc.")},
    "tiny_ctranslate2.bin": {"layer.0.weight": DENSE, "layer.0.bias": BIAS},
    "tiny.joblib": {"layers.0.weight": KERNEL, "layers.0.bias": BIAS[:6], "layers.1.weight": DENSE.T},
    "tiny_lz4.joblib": {"layers.0.weight": KERNEL, "layers.0.bias": BIAS[:6], "layers.1.weight": DENSE.T},
    "tiny_zlib.joblib": {"a": DENSE, "b": BIAS},
    "tiny_frozen.pb": {
        "conv/weight": KERNEL, "up/weight": KERNEL, "dw/depthwise_weight": KERNEL.reshape(24, 1, 3, 3),
        "dense/weights": DENSE.T, "dense/biases": BIAS, "square": DENSE, "half/kernel": DENSE.T.astype(np.float16),
        "gain": np.array(0.75, np.float32), "Const": np.arange(1, 9),
    },
    "tiny_frozen_v2.pb": {
        "functional_1/conv_1/weight": KERNEL, "functional_1/up_1/weight": KERNEL.reshape(-1)[:72].reshape(6, 12),
        "functional_1/dense_1/weight": DENSE.T, "functional_1/dense_1/bias": BIAS,
        "functional_1/line_1/weight": KERNEL.reshape(-1)[:96].reshape(3, 8, 4).transpose(2, 1, 0),
        "functional_1/line_1/bias": BIAS[:4],
    },
    "tiny.eqx": {
        "leaf.0": DENSE, "leaf.1": BIAS, "leaf.2": KERNEL, "leaf.7": DENSE.astype(ml_dtypes.bfloat16), "leaf.8": BIAS,
    },
    "tiny.pt2": TORCH,
    "tiny_torch.pt": {**TORCH, "sparse": np.where(DENSE > 0, DENSE, 0)},
    "tiny_torch_legacy.pt": {**TORCH, "sparse": np.where(DENSE > 0, DENSE, 0)},
    "tiny_dcp": TORCH,
    "tiny_openvino.xml": {"conv.weight": KERNEL, "dense.weight": DENSE, "dense.bias": BIAS},
    "tiny_settings.eqx": {"leaf.0": DENSE, "leaf.1": BIAS, "leaf.2": KERNEL},
    "tiny.mlmodel": {
        **{name.replace("_ih", "_ih_l0").replace("_hh", "_hh_l0"): array for name, array in CORE_ML.items()},
        "prod.weight": DENSE,
    },
}  # fmt: skip
EXACT["tiny.mlmodel"]["rnn.bias_l0"] = EXACT["tiny.mlmodel"].pop("rnn.bias")


@pytest.mark.parametrize("name", EXACT)
def test_exact_values_read_back(name: str) -> None:
    found = {key: array for key, array in whole(open_checkpoint(FOLDER / name)).items() if "initial" not in key}
    assert found.keys() == EXACT[name].keys()
    for key, array in EXACT[name].items():
        assert np.array_equal(found[key], array), key


def test_codes_of_a_graph_are_what_tensorflow_makes_of_them() -> None:
    truth = dict(np.load(FOLDER / "tiny_frozen_truth.npz"))
    checkpoint = open_checkpoint(FOLDER / "tiny_frozen_uint8.pb")
    found = whole(checkpoint)
    assert found.keys() == truth.keys()
    for name, array in truth.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6, err_msg=name)
    assert {view.encoding for view in checkpoint.tensors} == {f"tensorflow {t} per-tensor" for t in ("int8", "uint8")}


def test_settings_of_equinox_are_the_config() -> None:
    assert open_checkpoint(FOLDER / "tiny_settings.eqx").config == {"in_size": 12, "out_size": 8}


def test_a_program_in_half_precision_reads_back() -> None:
    found = whole(open_checkpoint(FOLDER / "tiny.mlpackage"))
    for name, array in {**CORE_ML, "product": DENSE}.items():
        wide = found[name].dtype == np.float32
        assert np.array_equal(found[name], array if wide else array.astype(np.float16)), name


@pytest.mark.parametrize(
    ("name", "scheme", "least"),
    [
        ("tiny_int4.mlpackage", "coreml int4 groups of 2", 0.99),
        ("tiny_palette.mlpackage", "coreml palette of 3 bits", 0.97),
    ],
)
def test_a_compressed_program_is_decoded(name: str, scheme: str, least: float) -> None:
    checkpoint = open_checkpoint(FOLDER / name)
    found = whole(checkpoint)
    assert {view.encoding for view in checkpoint.tensors} == {scheme, None}
    assert checkpoint.left_out == ()
    for key, array in {**CORE_ML, "product": DENSE.T}.items():
        assert np.corrcoef(found[key].astype(np.float64).ravel(), array.ravel())[0, 1] > least, key


def test_a_compressed_network_is_decoded_but_for_its_recurrent_layer() -> None:
    checkpoint = open_checkpoint(FOLDER / "tiny_palette.mlmodel")
    found = whole(checkpoint)
    for key, array in {"conv.weight": KERNEL, "dense.weight": DENSE, "prod.weight": DENSE}.items():
        assert np.corrcoef(found[key].ravel(), array.ravel())[0, 1] > 0.97, key
    assert [name for name, _ in checkpoint.left_out] == ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_l0"]


def test_integers_of_ctranslate2_are_divided_by_their_scales() -> None:
    checkpoint = open_checkpoint(FOLDER / "tiny_ctranslate2_int8.bin")
    found = whole(checkpoint)["layer.0.weight"]
    rounding = np.abs(DENSE).max(axis=1, keepdims=True) / 127 / 2
    assert (np.abs(found - DENSE) <= 1.01 * rounding).all()
    assert {view.encoding for view in checkpoint.tensors} == {None, "ctranslate2 int8 per-channel"}


def test_codes_of_openvino_are_what_it_multiplies_by() -> None:
    truth = dict(np.load(FOLDER / "tiny_openvino_truth.npz"))
    checkpoint = open_checkpoint(FOLDER / "tiny_openvino_int4.xml")
    found = whole(checkpoint)
    assert found.keys() == {f"{name}.weight" for name in truth}
    for name, array in truth.items():
        assert np.array_equal(found[f"{name}.weight"], array)
    assert {view.encoding for view in checkpoint.tensors} == {"openvino i8 per-channel", "openvino u4 groups of 4"}


def test_constants_of_a_program_are_left_out_and_named() -> None:
    assert [name for name, _ in open_checkpoint(FOLDER / "tiny.pt2").left_out] == ["table"]
